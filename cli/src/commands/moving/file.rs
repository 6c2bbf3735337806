//! The files that dumps are written to and read from. Reading and writing block, on a pipe for as
//! long as nobody is at its other end, and so have a thread of their own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use threadkeep::{Error, ErrorKind};
use tokio::task::spawn_blocking;

use crate::exit::Failure;

/// Bytes read at once.
const CHUNK: usize = 256 * 1024;
/// What data in zstd begin with.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Whether this stands for a standard stream.
pub(super) fn is_stream(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Whether it can be read twice.
pub(super) fn is_regular(path: &Path) -> bool {
    !is_stream(path) && fs::metadata(path).is_ok_and(|found| found.is_file())
}

/// Where a dump goes. A file appears under its name only once it is whole.
pub(super) struct Sink {
    path: PathBuf,
    force: bool,
    writer: Option<Writer>,
}

enum Writer {
    Plain(Target),
    Zstd(Box<zstd::stream::write::Encoder<'static, Target>>),
}

enum Target {
    Stream(io::Stdout),
    /// A device or pipe that has a name.
    Device(File),
    File(BufWriter<NamedTempFile>),
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stream(stream) => stream.write(bytes),
            Self::Device(device) => device.write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stream(stream) => stream.flush(),
            Self::Device(device) => device.flush(),
            Self::File(file) => file.flush(),
        }
    }
}

impl Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(target) => target.write_all(bytes),
            Self::Zstd(encoder) => encoder.write_all(bytes),
        }
    }

    fn finish(self) -> io::Result<Target> {
        let mut target = match self {
            Self::Plain(target) => target,
            Self::Zstd(encoder) => encoder.finish()?,
        };
        target.flush()?;
        Ok(target)
    }
}

impl Sink {
    /// Makes ready to write, without touching what is there under the name.
    pub(super) fn create(path: &Path, force: bool, zstd: bool) -> Result<Self, Error> {
        let target =
            if is_stream(path) { Target::Stream(io::stdout()) } else { Self::open(path, force)? };
        let compresses = zstd || path.extension().is_some_and(|end| end == "zst");
        let writer = if compresses {
            let encoder = zstd::stream::write::Encoder::new(target, 3).and_then(|mut encoder| {
                encoder.include_checksum(true)?;
                Ok(encoder)
            });
            Writer::Zstd(Box::new(encoder.map_err(|error| cannot(path, "written", error))?))
        } else {
            Writer::Plain(target)
        };
        Ok(Self { path: path.to_owned(), force, writer: Some(writer) })
    }

    fn open(path: &Path, force: bool) -> Result<Target, Error> {
        match fs::metadata(path) {
            // Renaming a file over it would take it away.
            Ok(found) if !found.is_file() && !found.is_dir() => {
                let device = OpenOptions::new().write(true).open(path);
                return Ok(Target::Device(device.map_err(|error| cannot(path, "written", error))?));
            }
            Ok(found) if found.is_dir() => {
                return Err(Error::invalid_input(format!("{} is a folder", path.display()))
                    .hint("name a file in it"));
            }
            Ok(_) if !force => return Err(is_there(path)),
            _ => {}
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let file = NamedTempFile::with_prefix_in(".threadkeep-", folder.unwrap_or(Path::new(".")));
        Ok(Target::File(BufWriter::new(file.map_err(|error| cannot(path, "written", error))?)))
    }

    pub(super) async fn write(&mut self, bytes: Vec<u8>) -> Result<(), Failure> {
        let Some(mut writer) = self.writer.take() else {
            return Err(Error::new(ErrorKind::Internal, "the dump ended before").into());
        };
        let written = spawn_blocking(move || writer.write(&bytes).map(|()| writer)).await;
        self.writer = Some(flatten(written).map_err(|error| self.failed(error))?);
        Ok(())
    }

    /// Ends the file and gives it its name.
    pub(super) async fn finish(mut self) -> Result<(), Failure> {
        let Some(writer) = self.writer.take() else {
            return Ok(());
        };
        let (path, force) = (self.path.clone(), self.force);
        let kept = spawn_blocking(move || {
            let Target::File(file) = writer.finish()? else {
                return Ok(());
            };
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.as_file().sync_all()?;
            let kept = if force { file.persist(&path) } else { file.persist_noclobber(&path) };
            kept.map(drop).map_err(|error| error.error)
        });
        flatten(kept.await).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> Failure {
        if is_stream(&self.path) {
            return error.into();
        }
        if error.kind() == io::ErrorKind::AlreadyExists {
            return is_there(&self.path).into();
        }
        cannot(&self.path, "written", error).into()
    }
}

/// Where a dump comes from.
pub(super) struct Source {
    path: PathBuf,
    reader: Option<Box<dyn Read + Send>>,
    /// Whether anything came out of it.
    began: bool,
}

impl Source {
    /// Opens a file, or stdin, and looks whether it is compressed.
    pub(super) async fn open(path: &Path) -> Result<Self, Error> {
        let wanted = path.to_owned();
        let opened = spawn_blocking(move || {
            let inner: Box<dyn Read + Send> = if is_stream(&wanted) {
                Box::new(io::stdin())
            } else {
                Box::new(File::open(&wanted)?)
            };
            let mut reader = BufReader::with_capacity(CHUNK, inner);
            let reader: Box<dyn Read + Send> = if reader.fill_buf()?.starts_with(&ZSTD) {
                Box::new(zstd::stream::read::Decoder::with_buffer(reader)?)
            } else {
                Box::new(reader)
            };
            Ok(reader)
        });
        let reader = flatten(opened.await).map_err(|error| cannot(path, "read", error))?;
        Ok(Self { path: path.to_owned(), reader: Some(reader), began: false })
    }

    /// The next bytes; none at the end, also where compressed data were cut after some of them: the
    /// dump itself tells how far it goes.
    pub(super) async fn next(&mut self) -> Result<Vec<u8>, Error> {
        let Some(mut reader) = self.reader.take() else {
            return Ok(Vec::new());
        };
        let began = self.began;
        let read = spawn_blocking(move || {
            let mut bytes = vec![0; CHUNK];
            let length = match reader.read(&mut bytes) {
                Err(error) if began && error.kind() == io::ErrorKind::UnexpectedEof => 0,
                read => read?,
            };
            bytes.truncate(length);
            Ok((reader, bytes))
        });
        let (reader, bytes) = flatten(read.await).map_err(|error| self.failed(error))?;
        self.reader = Some(reader);
        self.began = true;
        Ok(bytes)
    }

    fn failed(&self, error: io::Error) -> Error {
        // The system has a number for each of its errors; zstd has none.
        if error.raw_os_error().is_some() {
            return cannot(&self.path, "read", error);
        }
        let what = match error.kind() {
            io::ErrorKind::UnexpectedEof => "cut",
            _ => "damaged",
        };
        let text = format!("the compressed data of {} are {what}", name_of(&self.path));
        Error::new(ErrorKind::Corrupted, text)
            .during("load")
            .hint("dump the store again, or load another copy of the dump")
            .with_source(error)
    }
}

fn flatten<T>(joined: Result<io::Result<T>, tokio::task::JoinError>) -> io::Result<T> {
    joined.map_err(io::Error::other)?
}

fn is_there(path: &Path) -> Error {
    Error::new(ErrorKind::AlreadyExists, format!("{} is there already", path.display()))
        .during("dump")
        .hint("name another file, or add --force to write over it")
}

fn cannot(path: &Path, done: &str, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::StorageFull,
        _ => ErrorKind::Io,
    };
    Error::new(kind, format!("{} cannot be {done}", name_of(path)))
        .hint("check that the path exists and that you may use it")
        .with_source(error)
}

fn name_of(path: &Path) -> String {
    if is_stream(path) { "the standard stream".to_owned() } else { path.display().to_string() }
}
