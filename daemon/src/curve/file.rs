//! A job's curve on the disk: one line that names the layers, then records of one size.
//!
//! ```text
//! atelier-curve 1 relu1_1 relu2_1 …\n
//! step u64 · seconds f64 · total · content · style · tv · one f64 a layer      (little endian, again and again)
//! ```
//! Points are appended and not synced one by one: what a power cut takes of them lies beyond the last checkpoint, and is
//! cut off and done again anyway. A torn last record is no record.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use protocol::LossPoint;

/// Begins the first line; the number is the format's version.
const TITLE: &str = "atelier-curve 1";

/// The numbers of a record before the layers.
const FIXED: usize = 6;

/// Which of them is the total.
const TOTAL: u64 = 2;

/// More than the first line ever has.
const MOST_HEADER_BYTES: u64 = 4096;

/// A curve open for appending.
#[derive(Debug)]
pub struct CurveFile {
    path: PathBuf,
    file: File,
    /// Known once there is a point.
    layout: Option<Layout>,
    points: u64,
}

/// Where the records are, and what is in them.
#[derive(Debug)]
struct Layout {
    layers: Vec<String>,
    header_bytes: u64,
}

impl Layout {
    fn record_bytes(&self) -> u64 {
        8 * (FIXED + self.layers.len()) as u64
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let layers = std::str::from_utf8(&bytes[..end]).ok()?.strip_prefix(TITLE)?;
        Some(Self { layers: layers.split_whitespace().map(str::to_owned).collect(), header_bytes: end as u64 + 1 })
    }

    /// Where a point's record begins.
    fn at(&self, place: usize) -> u64 {
        self.header_bytes + place as u64 * self.record_bytes()
    }

    fn points(&self, file_bytes: u64) -> u64 {
        file_bytes.saturating_sub(self.header_bytes) / self.record_bytes()
    }
}

/// A curve open for reading: the points that it had when it was opened, or fewer: a training that goes on from its
/// checkpoint cuts off what lies beyond it, also while somebody reads. A torn last record is passed over.
#[derive(Debug)]
pub struct Curve {
    file: File,
    layout: Layout,
    points: u64,
}

impl Curve {
    /// Opens a curve; one that is not there, or has not begun, is none.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut header = Vec::new();
        (&file).take(MOST_HEADER_BYTES).read_to_end(&mut header)?;
        let Some(layout) = Layout::read(&header) else { return Ok(None) };
        let points = layout.points(file.metadata()?.len());
        Ok(Some(Self { file, layout, points }))
    }

    /// Returns how many points it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.points as usize
    }

    /// Says whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.points == 0
    }

    /// Returns the point at a place, from 0; none past the end, and where the curve has been cut since.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn point(&self, place: usize) -> io::Result<Option<LossPoint>> {
        let mut record = vec![0; self.layout.record_bytes() as usize];
        let is_there = self.read(&mut record, self.layout.at(place))?;
        Ok(is_there.then(|| decode(&record, &self.layout.layers)))
    }

    /// Returns the last point, if there is one.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn last(&self) -> io::Result<Option<LossPoint>> {
        self.len().checked_sub(1).map_or(Ok(None), |place| self.point(place))
    }

    /// Returns the names of the layers that each point has.
    #[must_use]
    pub fn layers(&self) -> &[String] {
        &self.layout.layers
    }

    /// Returns the points at some places, up to the first that has none.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn points(&self, places: &[usize]) -> io::Result<Vec<LossPoint>> {
        places.iter().map_while(|place| self.point(*place).transpose()).collect()
    }

    /// Returns the total of every point.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn totals(&self) -> io::Result<Vec<f64>> {
        let total = |place| {
            let mut number = [0; 8];
            let is_there = self.read(&mut number, self.layout.at(place) + 8 * TOTAL)?;
            Ok(is_there.then(|| f64::from_le_bytes(number)))
        };
        (0..self.len()).map_while(|place| total(place).transpose()).collect()
    }

    /// Fills a buffer from a place in the file; false where the file ends before.
    fn read(&self, buffer: &mut [u8], at: u64) -> io::Result<bool> {
        match self.file.read_exact_at(buffer, at) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            read => read.map(|()| true),
        }
    }
}

fn decode(record: &[u8], layers: &[String]) -> LossPoint {
    let word = |at: usize| -> [u8; 8] { record[8 * at..8 * at + 8].try_into().expect("eight bytes") };
    let number = |at: usize| f64::from_le_bytes(word(at));
    LossPoint {
        step: u64::from_le_bytes(word(0)),
        seconds: number(1),
        total: number(TOTAL as usize),
        content: number(3),
        style: number(4),
        tv: number(5),
        layers: (FIXED..).zip(layers).map(|(at, layer)| (layer.clone(), number(at))).collect(),
    }
}

fn encode(point: &LossPoint, layers: &[String]) -> Vec<u8> {
    let LossPoint { step, seconds, total, content, style, tv, .. } = point;
    let mut record = step.to_le_bytes().to_vec();
    let parts = layers.iter().map(|layer| point.layers.get(layer).copied().unwrap_or(0.0));
    for number in [*seconds, *total, *content, *style, *tv].into_iter().chain(parts) {
        record.extend(number.to_le_bytes());
    }
    record
}

impl CurveFile {
    /// Opens a job's curve as a checkpoint has it: what lies beyond is cut off, what is missing is put back. A job
    /// without a checkpoint has no points.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(path: &Path, kept: &[u8]) -> io::Result<Self> {
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        if fs::read(path)?.starts_with(kept) {
            file.set_len(kept.len() as u64)?;
        } else {
            file.set_len(0)?;
            file.write_all(kept)?;
        }
        let layout = Layout::read(kept);
        let points = layout.as_ref().map_or(0, |layout| layout.points(kept.len() as u64));
        Ok(Self { path: path.to_owned(), file, layout, points })
    }

    /// Appends a point. One whose step has been done before replaces that one and all after it.
    ///
    /// # Errors
    /// Those of the file system; the curve is then as it was, less what would have been replaced.
    pub fn append(&mut self, point: &LossPoint) -> io::Result<()> {
        let layout = match &self.layout {
            Some(layout) => layout,
            None => self.layout.insert(Self::begin(&mut self.file, point)?),
        };
        let before = point.step.saturating_sub(1).min(self.points);
        let end = layout.header_bytes + before * layout.record_bytes();
        self.file.set_len(end)?;
        self.points = before;
        self.file.seek(SeekFrom::Start(end))?;
        if let Err(error) = self.file.write_all(&encode(point, &layout.layers)) {
            // Half a record is none: whoever reads passes over it, and the next append overwrites it.
            let _ = self.file.set_len(end);
            return Err(error);
        }
        self.points += 1;
        Ok(())
    }

    fn begin(file: &mut File, point: &LossPoint) -> io::Result<Layout> {
        let layers: Vec<_> = point.layers.keys().cloned().collect();
        let header = format!("{TITLE} {}\n", layers.join(" "));
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(header.as_bytes())?;
        Ok(Layout { layers, header_bytes: header.len() as u64 })
    }

    /// Returns the whole file, for a checkpoint.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        fs::read(&self.path)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::super::tests::point;
    use super::*;

    fn read(path: &Path) -> Vec<LossPoint> {
        let Some(curve) = Curve::open(path).unwrap() else { return Vec::new() };
        let places: Vec<_> = (0..curve.len()).collect();
        let points = curve.points(&places).unwrap();
        assert_eq!(curve.totals().unwrap(), points.iter().map(|point| point.total).collect::<Vec<_>>());
        points
    }

    fn steps(path: &Path) -> Vec<u64> {
        read(path).iter().map(|point| point.step).collect()
    }

    #[test]
    fn what_is_appended_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curve");
        assert!(read(&path).is_empty());
        let mut curve = CurveFile::open(&path, &[]).unwrap();
        let points: Vec<_> = (1..=5).map(|step| point(step, 1.0 / step as f64)).collect();
        for point in &points {
            curve.append(point).unwrap();
        }
        assert_eq!(read(&path), points);
    }

    #[test]
    fn a_step_that_is_done_again_replaces_its_earlier_point_and_those_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curve");
        let mut curve = CurveFile::open(&path, &[]).unwrap();
        for step in [1, 2, 3, 4, 2] {
            curve.append(&point(step, 7.0)).unwrap();
        }
        curve.append(&point(3, 8.0)).unwrap();
        assert_eq!(steps(&path), [1, 2, 3]);
        assert_eq!(read(&path)[2], point(3, 8.0));
    }

    #[test]
    fn opening_cuts_a_torn_tail_and_what_lies_beyond_the_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curve");
        let mut curve = CurveFile::open(&path, &[]).unwrap();
        curve.append(&point(1, 1.0)).unwrap();
        curve.append(&point(2, 1.0)).unwrap();
        let checkpoint = curve.bytes().unwrap();
        curve.append(&point(3, 1.0)).unwrap();
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"half a rec").unwrap();
        assert_eq!(steps(&path), [1, 2, 3], "a reader passes over the torn one");

        let mut curve = CurveFile::open(&path, &checkpoint).unwrap();
        assert_eq!(steps(&path), [1, 2]);
        curve.append(&point(3, 2.0)).unwrap();
        assert_eq!(steps(&path), [1, 2, 3]);

        // A power cut may have taken points that the checkpoint holds.
        fs::write(&path, &checkpoint[..checkpoint.len() - 70]).unwrap();
        CurveFile::open(&path, &checkpoint).unwrap().append(&point(3, 2.0)).unwrap();
        assert_eq!(steps(&path), [1, 2, 3]);
        CurveFile::open(&path, &[]).unwrap();
        assert!(steps(&path).is_empty());
    }

    #[test]
    fn who_reads_while_the_curve_is_cut_gets_what_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curve");
        let mut curve = CurveFile::open(&path, &[]).unwrap();
        curve.append(&point(1, 1.0)).unwrap();
        let checkpoint = curve.bytes().unwrap();
        curve.append(&point(2, 2.0)).unwrap();
        let reader = Curve::open(&path).unwrap().unwrap();
        CurveFile::open(&path, &checkpoint).unwrap();
        assert_eq!(reader.points(&[0, 1]).unwrap(), [point(1, 1.0)]);
        assert_eq!((reader.totals().unwrap(), reader.last().unwrap()), (vec![1.0], None));
    }
}
