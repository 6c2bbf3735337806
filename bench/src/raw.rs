//! The statement of a page, stepped without any library between.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_int};
use std::path::Path;
use std::ptr;

use anyhow::{Context, Result, ensure};
use libsqlite3_sys as ffi;

/// The statement that the SQLite backend runs for a first page by time of update.
const SQL: &CStr =
    c"SELECT id, updated_at, body, checksum FROM threads INDEXED BY threads_updated \
    WHERE archived = ? AND visible = ? ORDER BY updated_at DESC, id DESC LIMIT ?";

/// A prepared page.
pub(crate) struct Statement {
    database: *mut ffi::sqlite3,
    statement: *mut ffi::sqlite3_stmt,
}

impl Statement {
    pub(crate) fn prepare(path: &Path, page: usize) -> Result<Self> {
        let path = CString::new(path.to_str().context("the path is not Unicode")?)?;
        let mut this = Self { database: ptr::null_mut(), statement: ptr::null_mut() };
        // SAFETY: the path and the text end with zero, and both pointers are owned by `this`, which
        // closes them in `drop`, also where opening failed.
        unsafe {
            let opened = ffi::sqlite3_open(path.as_ptr(), &raw mut this.database);
            ensure!(opened == ffi::SQLITE_OK, "sqlite3_open gave {opened}");
            let prepared = ffi::sqlite3_prepare_v2(
                this.database,
                SQL.as_ptr(),
                -1,
                &raw mut this.statement,
                ptr::null_mut(),
            );
            ensure!(prepared == ffi::SQLITE_OK, "sqlite3_prepare_v2 gave {prepared}");
            // The backend fetches one row more than the page to learn whether another follows.
            let limit = c_int::try_from(page + 1)?;
            for (at, value) in [(1, 0), (2, 1), (3, limit)] {
                let bound = ffi::sqlite3_bind_int(this.statement, at, value);
                ensure!(bound == ffi::SQLITE_OK, "sqlite3_bind_int gave {bound}");
            }
        }
        Ok(this)
    }

    /// Steps through the page and copies every column out; answers the bytes seen.
    pub(crate) fn step_all(&self) -> usize {
        self.bodies().iter().map(String::len).sum()
    }

    /// The bodies of the page.
    pub(crate) fn bodies(&self) -> Vec<String> {
        let mut bodies = Vec::new();
        // SAFETY: the statement is prepared and used by this thread alone; each column is read
        // before the next step, and its bytes are as many as SQLite says.
        unsafe {
            while ffi::sqlite3_step(self.statement) == ffi::SQLITE_ROW {
                let id = ffi::sqlite3_column_blob(self.statement, 0).cast::<u8>();
                let length = ffi::sqlite3_column_bytes(self.statement, 0);
                let id = std::slice::from_raw_parts(id, usize::try_from(length).unwrap_or(0));
                let numbers = ffi::sqlite3_column_int64(self.statement, 1)
                    ^ ffi::sqlite3_column_int64(self.statement, 3);
                std::hint::black_box((id.to_vec(), numbers));
                let text = ffi::sqlite3_column_text(self.statement, 2);
                let length = ffi::sqlite3_column_bytes(self.statement, 2);
                let text = std::slice::from_raw_parts(text, usize::try_from(length).unwrap_or(0));
                bodies.push(String::from_utf8_lossy(text).into_owned());
            }
            ffi::sqlite3_reset(self.statement);
        }
        bodies
    }
}

impl Drop for Statement {
    fn drop(&mut self) {
        // SAFETY: both were made in `prepare` or are null, which both functions allow.
        unsafe {
            ffi::sqlite3_finalize(self.statement);
            ffi::sqlite3_close(self.database);
        }
    }
}
