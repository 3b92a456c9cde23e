//! Files that were cut, or made to harm.

use std::io::Cursor;

use proptest::prelude::*;

use super::super::pickle::{Pickle, Value};
use super::super::{VggProblem, weights};
use super::mat_writer::{cell, header, packed, structure};
use super::torch_writer::{deep, name, of_two_kinds, pickle, text};
use super::{Form, layers, safetensors, write};
use crate::vgg::weights::Reading;

fn refusal(bytes: &[u8]) -> String {
    weights(&mut Cursor::new(bytes)).err().unwrap().to_string()
}

fn refused(body: &[u8]) -> VggProblem {
    Pickle::read(pickle(body).as_slice()).err().unwrap()
}

#[test]
fn a_cut_file_says_that_it_ends_too_early() {
    let torch = layers(Reading::TORCHVISION);
    for (what, whole) in [
        ("safetensors", safetensors(&torch)),
        ("zip", write(&torch, Form::Zip)),
        ("legacy", write(&torch, Form::Legacy)),
        ("mat", write(&layers(Reading::MATCONVNET), Form::Mat)),
    ] {
        for left in [30, 140, 1000, 4_000_000, whole.len() - 5] {
            let found = refusal(&whole[..left]);
            assert!(found.starts_with("is damaged or was not copied to its end: "), "{what}, {left} bytes: {found}");
        }
    }
}

#[test]
fn what_is_no_such_file_is_told_from_what_it_is() {
    let cases: [(&[u8], &str); 6] = [
        (b"", "its first bytes are of none"),
        (b"<html>not found</html>", "its first bytes are of none"),
        (b"MATLAB 7.3 MAT-file, Platform", "save it again with `-v7`"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\x80\x02K\x05.", "a pickle, but not of `torch.save`"),
        (b"\x80\x02}q\x00.", "a pickle, but not of `torch.save`"),
    ];
    for (bytes, expected) in cases {
        let found = refusal(bytes);
        assert!(found.starts_with("is none of the files") && found.contains(expected), "{found}");
    }
}

#[test]
fn a_storage_of_two_kinds_is_refused() {
    let found = refusal(&of_two_kinds(&layers(Reading::TORCHVISION)));
    assert!(found.contains("the storage `94000000` is of two kinds at once"), "{found}");
}

#[test]
fn nothing_that_a_pickle_names_is_run() {
    for callable in ["os.system", "posix.system", "builtins.eval", "torch.load", "torchvision.models.vgg.VGG"] {
        let call = [name(callable), b"(".to_vec(), text("touch /tmp/x"), b"tR".to_vec()].concat();
        let found = refused(&call).to_string();
        assert!(found.starts_with(&format!("wants `{callable}` to be run")), "{found}");
        let (module, last) = callable.rsplit_once('.').unwrap();
        let found = refused(&[text(module), text(last), b"\x93".to_vec()].concat());
        assert!(matches!(found, VggProblem::Callable { .. }), "{found}");
    }
    // Instructions that make instances, or call by number.
    for code in *b"io\x81\x92\x82P" {
        assert!(matches!(refused(&[b'N', b'N', code]), VggProblem::Unsupported { .. }));
    }
}

#[test]
fn depth_and_repetition_cost_no_more_than_the_bytes_that_ask_for_them() {
    // A tuple in a tuple, half a million deep.
    let deep = [vec![b')'], vec![0x85; 500_000]].concat();
    let (read, top) = Pickle::read(pickle(&deep).as_slice()).unwrap();
    assert!(matches!(read.value(top), Value::Tuple(inner) if inner.len() == 1));
    // Lists of which each holds the one before twice: 2^100,000 items, were they copied.
    let mut twice = b"]q\x00".to_vec();
    (0..100_000).for_each(|_| twice.extend(b"](h\x00h\x00eq\x00"));
    assert!(Pickle::read(pickle(&twice).as_slice()).is_ok());
    // A dictionary made of the same long list again and again.
    let mut again = [b"](".to_vec(), b"NN\x86".repeat(100_000), b"eq\x000".to_vec(), Vec::new()].concat();
    (0..1000).for_each(|_| again.extend([name("collections.OrderedDict"), b"h\x00\x85R".to_vec()].concat()));
    assert!(refused(&again).to_string().contains("the same too often"));
    assert!(refused(b"X\xff\xff\xff\xff").to_string().contains("claims 4294967295 bytes"));
    assert!(refused(&vec![b'('; 2_000_000]).to_string().contains("longer than"));
    assert!(refused(b"h\x05").to_string().contains("never said"));
    assert!(refused(b"e").to_string().contains("has not begun"));
    assert!(refused(b"K\x01(\x85").to_string().contains("more values than it made"));
}

#[test]
fn a_matlab_file_of_huge_claims_is_refused() {
    let with = |variable: &[u8]| refusal(&[&header()[..], variable].concat());
    // A list of two thousand million layers.
    let mut many = cell("layers", &[]);
    many[36..40].copy_from_slice(&i32::MAX.to_le_bytes());
    assert!(with(&many).contains("too long"), "{}", with(&many));
    let mut large = structure("meta", &[]);
    large[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(with(&large).contains("it ends"), "{}", with(&large));
    // Lists in lists are passed over, not followed.
    let mut nested = cell("", &[]);
    for _ in 0..2000 {
        nested = cell("", &[nested]);
    }
    assert!(with(&cell("layers", &[nested])).starts_with("is no VGG19: it has no `conv1_1, filters`"));
    let big_endian = [&header()[..126], b"MI"].concat();
    assert!(refusal(&big_endian).contains("big-endian"));
}

#[test]
fn a_small_file_is_not_inflated_without_end() {
    let found = refusal(&deep());
    assert!(found.contains("deep in its storages"), "{found}");
    // Each of them alone could be the largest part of a VGG19.
    let mut large = structure("else", &[]);
    large[4..8].copy_from_slice(&(1u32 << 30).to_le_bytes());
    let file = |variables: usize| [header(), packed(&large).repeat(variables)].concat();
    assert!(refusal(&file(1)).starts_with("is no VGG19"));
    assert!(refusal(&file(3)).contains("larger than the whole"), "{}", refusal(&file(3)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_a_reader_panic(
        codes in prop::collection::vec(
            prop::sample::select(b"().0NGKMJUTXqhrj]}tlaedusQRb\x80\x85\x86\x87\x88\x89\x8a\x8c\x94\x95c\n\x00\x01".to_vec()),
            0..200,
        ),
        changes in prop::collection::vec((0usize..2000, any::<u8>()), 1..4),
    ) {
        let _ = Pickle::read(codes.as_slice());
        let fields = [("name", cell("", &[])), ("weights", cell("", &[structure("", &[])]))];
        let mut mat = [header(), cell("layers", &[structure("", &fields)]), structure("meta", &fields)].concat();
        for (at, byte) in changes {
            let at = at % mat.len();
            mat[at] = byte;
        }
        let _ = weights(&mut Cursor::new(mat));
        let _ = weights(&mut Cursor::new([&[codes.len() as u8, 0, 0, 0, 0, 0, 0, 0][..], &b"{"[..], codes.as_slice()].concat()));
    }
}
