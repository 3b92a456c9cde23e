//! The part of Python's pickle that a list of weights consists of, as data.
//!
//! Nothing is ever called: a name that would be is either one of the few below, which become data here, or the end of
//! reading. Values lie in one list and refer to each other by their place in it, so that neither depth nor repetition
//! costs more than the bytes that ask for it: a pickle of `n` bytes makes at most `n` values.

use std::collections::HashMap;
use std::io::Read;

use super::numbers::Number;
use crate::text::printable;
use crate::vgg::error::VggProblem;

/// The longest pickle that is read; that of the whole VGG19 has 6 KB.
const PICKLE_BYTES: u64 = 1 << 20;

/// The place of a value.
pub(super) type Id = u32;

/// A value, as far as weights need it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// Numbers that are not whole, nothing, and what is passed over.
    Other,
    Bool(bool),
    Int(i128),
    Text(String),
    /// One of the known names.
    Name(Name),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// The numbers of one or several tensors, by what was saved to find them.
    Storage(Id),
    /// What `torch._utils._rebuild_tensor` is given: storage, offset, sizes, strides.
    Tensor([Id; 4]),
}

/// What a list of weights may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    RebuildTensor,
    RebuildParameter,
    OrderedDict,
    /// The type of a storage; `None` for whole numbers.
    Storage(Option<Number>),
}

/// Values read from one pickle.
#[derive(Debug, Default)]
pub(super) struct Pickle {
    values: Vec<Value>,
    memo: HashMap<u32, Id>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    /// Pairs of dictionaries that were made of lists, which may be the same list again and again.
    copied: usize,
}

impl Pickle {
    /// Reads one pickle to its end, and returns the values with the place of the outermost.
    pub(super) fn read(source: impl Read) -> Result<(Self, Id), VggProblem> {
        let mut bytes = Bytes { source: source.take(PICKLE_BYTES) };
        let mut pickle = Self::default();
        loop {
            let code = bytes.byte()?;
            if code == b'.' {
                let top = pickle.pop()?;
                return Ok((pickle, top));
            }
            pickle.step(code, &mut bytes)?;
        }
    }

    /// Returns a value.
    pub(super) fn value(&self, id: Id) -> &Value {
        &self.values[id as usize]
    }

    /// Returns the places of all storages.
    pub(super) fn storages(&self) -> impl Iterator<Item = Id> {
        let storage = |(at, value): (usize, &Value)| matches!(value, Value::Storage(_)).then_some(at as Id);
        self.values.iter().enumerate().filter_map(storage)
    }

    /// Returns the value of a key that is text.
    pub(super) fn get(&self, dict: Id, key: &str) -> Option<Id> {
        let Value::Dict(pairs) = self.value(dict) else { return None };
        // The last one counts, as in Python.
        let found = pairs.iter().rev().find(|(k, _)| matches!(self.value(*k), Value::Text(text) if text == key));
        found.map(|(_, value)| *value)
    }

    /// Returns a whole number that is not negative.
    pub(super) fn count(&self, id: Id) -> Option<u64> {
        match self.value(id) {
            Value::Int(int) => u64::try_from(*int).ok(),
            _ => None,
        }
    }

    fn step(&mut self, code: u8, bytes: &mut Bytes<impl Read>) -> Result<(), VggProblem> {
        match code {
            0x80 => drop(bytes.byte()?),
            0x95 => drop(bytes.array::<8>()?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'N' => self.push(Value::Other),
            b'G' => {
                bytes.array::<8>()?;
                self.push(Value::Other);
            }
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'K' => {
                let int = bytes.byte()?.into();
                self.push(Value::Int(int));
            }
            b'M' => {
                let int = u16::from_le_bytes(bytes.array()?).into();
                self.push(Value::Int(int));
            }
            b'J' => {
                let int = i32::from_le_bytes(bytes.array()?).into();
                self.push(Value::Int(int));
            }
            0x8a => {
                let int = bytes.long()?;
                self.push(Value::Int(int));
            }
            b'U' | 0x8c => {
                let length = bytes.byte()?.into();
                self.push(Value::Text(bytes.text(length)?));
            }
            b'T' | b'X' => {
                let length = u32::from_le_bytes(bytes.array()?).into();
                self.push(Value::Text(bytes.text(length)?));
            }
            b'q' => self.put(bytes.byte()?.into())?,
            b'r' => self.put(u32::from_le_bytes(bytes.array()?))?,
            0x94 => self.put(self.memo.len() as u32)?,
            b'h' => self.recall(bytes.byte()?.into())?,
            b'j' => self.recall(u32::from_le_bytes(bytes.array()?))?,
            b'c' => {
                let (module, name) = (bytes.line()?, bytes.line()?);
                self.push(Value::Name(known(&module, &name)?));
            }
            code => return self.build(code),
        }
        Ok(())
    }

    /// Carries out what makes values of others.
    fn build(&mut self, code: u8) -> Result<(), VggProblem> {
        match code {
            b')' => self.push(Value::Tuple(Vec::new())),
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Tuple(items));
            }
            0x85..=0x87 => {
                let from = self.room(usize::from(code - 0x84))?;
                let items = self.stack.split_off(from);
                self.push(Value::Tuple(items));
            }
            b']' => self.push(Value::List(Vec::new())),
            b'l' => {
                let items = self.pop_to_mark()?;
                self.push(Value::List(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(vec![item])?;
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.extend(items)?;
            }
            b'}' => self.push(Value::Dict(Vec::new())),
            b'd' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Dict(Vec::new()));
                self.set(&items)?;
            }
            b's' => {
                let from = self.room(2)?;
                let pair = self.stack.split_off(from);
                self.set(&pair)?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set(&items)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(module), Value::Text(name)) = (self.value(module), self.value(name)) else {
                    return Err(VggProblem::damaged("a name in its pickle is no text"));
                };
                let name = known(module, name)?;
                self.push(Value::Name(name));
            }
            b'Q' => {
                let saved = self.pop()?;
                self.push(Value::Storage(saved));
            }
            b'R' => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                self.reduce(callable, arguments)?;
            }
            // Attributes of a dictionary, such as the versions of modules, are of no use here.
            b'b' => {
                self.pop()?;
                self.room(1)?;
            }
            code => {
                return Err(VggProblem::Unsupported {
                    what: format!("the pickle instruction {code:#04x}"),
                    way_out: "save the weights alone, `torch.save(net.state_dict(), path)`",
                });
            }
        }
        Ok(())
    }

    /// Makes the value that a call of a known name stands for.
    fn reduce(&mut self, callable: Id, arguments: Id) -> Result<(), VggProblem> {
        let Value::Tuple(arguments) = self.value(arguments) else {
            return Err(VggProblem::damaged("a call in its pickle has no arguments"));
        };
        let value = match (self.value(callable), arguments.as_slice()) {
            (Value::Name(Name::OrderedDict), []) => Value::Dict(Vec::new()),
            (Value::Name(Name::OrderedDict), [pairs]) => {
                let pairs = self.pairs(*pairs)?;
                self.copied += pairs.len();
                if self.copied as u64 > PICKLE_BYTES {
                    return Err(VggProblem::damaged("its pickle says the same too often"));
                }
                Value::Dict(pairs)
            }
            (Value::Name(Name::RebuildTensor), [storage, offset, size, stride, ..]) => {
                Value::Tensor([*storage, *offset, *size, *stride])
            }
            (Value::Name(Name::RebuildParameter), [tensor, ..]) => match self.value(*tensor) {
                Value::Tensor(parts) => Value::Tensor(*parts),
                _ => return Err(VggProblem::damaged("a parameter in its pickle is no tensor")),
            },
            _ => return Err(VggProblem::damaged("a call in its pickle has other arguments than it needs")),
        };
        self.push(value);
        Ok(())
    }

    /// Returns the pairs of a list of lists of two, as Python 2 wrote ordered dictionaries.
    fn pairs(&self, list: Id) -> Result<Vec<(Id, Id)>, VggProblem> {
        let (Value::List(items) | Value::Tuple(items)) = self.value(list) else {
            return Err(VggProblem::damaged("a dictionary in its pickle is none"));
        };
        let pair = |item: &Id| match self.value(*item) {
            Value::List(pair) | Value::Tuple(pair) if pair.len() == 2 => Ok((pair[0], pair[1])),
            _ => Err(VggProblem::damaged("a dictionary in its pickle is none")),
        };
        items.iter().map(pair).collect()
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len() as Id);
        self.values.push(value);
    }

    /// Returns where the uppermost `count` values begin.
    fn room(&self, count: usize) -> Result<usize, VggProblem> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let from = self.stack.len().checked_sub(count).filter(|from| *from >= floor);
        from.ok_or_else(|| VggProblem::damaged("its pickle takes more values than it made"))
    }

    fn pop(&mut self) -> Result<Id, VggProblem> {
        let at = self.room(1)?;
        Ok(self.stack.remove(at))
    }

    fn top(&mut self) -> Result<&mut Value, VggProblem> {
        let at = self.room(1)?;
        Ok(&mut self.values[self.stack[at] as usize])
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, VggProblem> {
        let mark = self.marks.pop().ok_or_else(|| VggProblem::damaged("its pickle ends what it has not begun"))?;
        Ok(self.stack.split_off(mark))
    }

    fn extend(&mut self, items: Vec<Id>) -> Result<(), VggProblem> {
        match self.top()? {
            Value::List(list) => list.extend(items),
            _ => return Err(VggProblem::damaged("its pickle adds to a list that is none")),
        }
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Result<(), VggProblem> {
        match (self.top()?, items.as_chunks::<2>()) {
            (Value::Dict(dict), (pairs, [])) => dict.extend(pairs.iter().map(|[key, value]| (*key, *value))),
            _ => return Err(VggProblem::damaged("its pickle adds to a dictionary that is none")),
        }
        Ok(())
    }

    fn put(&mut self, number: u32) -> Result<(), VggProblem> {
        let at = self.room(1)?;
        self.memo.insert(number, self.stack[at]);
        Ok(())
    }

    fn recall(&mut self, number: u32) -> Result<(), VggProblem> {
        let id = self.memo.get(&number).ok_or_else(|| VggProblem::damaged("its pickle recalls what it never said"))?;
        self.stack.push(*id);
        Ok(())
    }
}

/// Returns the meaning of a name, or refuses it.
fn known(module: &str, name: &str) -> Result<Name, VggProblem> {
    Ok(match (module, name) {
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Name::RebuildTensor,
        ("torch._utils", "_rebuild_parameter") => Name::RebuildParameter,
        ("collections", "OrderedDict") => Name::OrderedDict,
        ("torch" | "torch.cuda", "FloatStorage") => Name::Storage(Some(Number::F32)),
        ("torch" | "torch.cuda", "DoubleStorage") => Name::Storage(Some(Number::F64)),
        ("torch" | "torch.cuda", "HalfStorage") => Name::Storage(Some(Number::F16)),
        ("torch" | "torch.cuda", "BFloat16Storage") => Name::Storage(Some(Number::Bf16)),
        ("torch" | "torch.cuda", "LongStorage") => Name::Storage(None),
        _ => return Err(VggProblem::Callable { name: printable(&format!("{module}.{name}")) }),
    })
}

/// What is left of a pickle.
struct Bytes<R> {
    source: std::io::Take<R>,
}

impl<R: Read> Bytes<R> {
    fn byte(&mut self) -> Result<u8, VggProblem> {
        Ok(self.array::<1>()?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], VggProblem> {
        let mut bytes = [0; N];
        if N as u64 > self.source.limit() {
            return Err(VggProblem::damaged(format!("its pickle is longer than {PICKLE_BYTES} bytes")));
        }
        self.source.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn text(&mut self, length: u64) -> Result<String, VggProblem> {
        if length > self.source.limit() {
            return Err(VggProblem::damaged(format!("a text in its pickle claims {length} bytes")));
        }
        let mut bytes = vec![0; length as usize];
        self.source.read_exact(&mut bytes)?;
        String::from_utf8(bytes).map_err(|_| VggProblem::damaged("a text in its pickle is no UTF-8"))
    }

    fn line(&mut self) -> Result<String, VggProblem> {
        let mut line = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => break,
                byte if line.len() < 200 => line.push(byte),
                _ => return Err(VggProblem::damaged("a name in its pickle is too long")),
            }
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// Reads a whole number of a stated length.
    fn long(&mut self) -> Result<i128, VggProblem> {
        let length = usize::from(self.byte()?);
        let mut int = [0; 16];
        let Some(used) = int.get_mut(..length) else {
            return Err(VggProblem::damaged("a number in its pickle is too long"));
        };
        for byte in used.iter_mut() {
            *byte = self.byte()?;
        }
        let negative = used.last().is_some_and(|byte| *byte >= 0x80);
        int[length..].fill(if negative { 0xff } else { 0 });
        Ok(i128::from_le_bytes(int))
    }
}
