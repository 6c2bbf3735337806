//! The test binary starts itself again, to play a part in another process.

use std::env;
use std::fmt::Display;
use std::io::{BufRead as _, BufReader, Read as _, Write as _, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::Arc;

use crate::Fixture;
use crate::lab::{Failure, Verdict};
use crate::setting::Setting;

const ROLE: &str = "THREADKEEP_CONFORMANCE_ROLE";
const BACKEND: &str = "THREADKEEP_CONFORMANCE_BACKEND";
const WORKSPACE: &str = "THREADKEEP_CONFORMANCE_WORKSPACE";
const ARGUMENT: &str = "THREADKEEP_CONFORMANCE_ARGUMENT";

/// A part that a process can play.
pub(crate) struct Role {
    pub(crate) name: &'static str,
    pub(crate) play: fn(Part) -> Verdict,
}

/// What the process that plays a part is told.
pub(crate) struct Part {
    pub(crate) fixture: Arc<dyn Fixture>,
    /// The folder of the store.
    pub(crate) workspace: PathBuf,
    /// Whatever the role needs to know beside that.
    pub(crate) argument: String,
}

/// A process that plays a part. It is killed where the value is dropped.
pub(crate) struct Actor {
    child: Child,
    output: BufReader<ChildStdout>,
    input: Option<ChildStdin>,
}

/// Plays the part this process was started for, if it was.
pub(crate) fn play(fixtures: &[Arc<dyn Fixture>], roles: &[Role]) -> Option<ExitCode> {
    let role = env::var(ROLE).ok()?;
    let part = || {
        let backend = env::var(BACKEND).unwrap_or_default();
        let fixture = fixtures
            .iter()
            .find(|fixture| fixture.name() == backend)
            .ok_or_else(|| Failure::new(format!("there is no backend {backend}")))?;
        let role = roles
            .iter()
            .find(|known| known.name == role)
            .ok_or_else(|| Failure::new(format!("there is no role {role}")))?;
        (role.play)(Part {
            fixture: Arc::clone(fixture),
            workspace: env::var_os(WORKSPACE).unwrap_or_default().into(),
            argument: env::var(ARGUMENT).unwrap_or_default(),
        })
    };
    Some(match part() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{role}: {failure}");
            ExitCode::FAILURE
        }
    })
}

/// Prints a line for the process that started this one, which may be waiting for it.
pub(crate) fn say(line: impl Display) -> Verdict {
    let mut output = stdout().lock();
    writeln!(output, "{line}")?;
    Ok(output.flush()?)
}

/// The next line the process that started this one says; `None` where it says no more, or is gone.
pub(crate) fn hear() -> Verdict<Option<String>> {
    let mut line = String::new();
    let read = stdin().lock().read_line(&mut line)?;
    Ok((read > 0).then(|| line.trim_end().to_owned()))
}

impl Setting {
    /// Starts this binary again in a role.
    pub(crate) fn start(&self, role: &str, workspace: &Path, argument: &str) -> Verdict<Actor> {
        self.start_by(Command::new(env::current_exe()?), role, workspace, argument)
    }

    /// The same by a command that starts this binary in its turn.
    pub(crate) fn start_by(
        &self,
        mut command: Command,
        role: &str,
        workspace: &Path,
        argument: &str,
    ) -> Verdict<Actor> {
        let mut child = command
            .env(ROLE, role)
            .env(BACKEND, self.fixture.name())
            .env(WORKSPACE, workspace)
            .env(ARGUMENT, argument)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or_else(|| Failure::new("the child has no output"))?;
        let input = child.stdin.take();
        Ok(Actor { child, output: BufReader::new(output), input })
    }
}

impl Actor {
    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line it prints, without its end; `None` where it prints no more.
    pub(crate) fn line(&mut self) -> Verdict<Option<String>> {
        let mut line = String::new();
        let read = self.output.read_line(&mut line)?;
        // A line without its end was cut by a kill: it says nothing.
        Ok((read > 0 && line.ends_with('\n')).then(|| line.trim_end().to_owned()))
    }

    /// Waits for the line that has to come next.
    pub(crate) fn expect(&mut self, expected: &str) -> Verdict {
        match self.line()? {
            Some(line) if line == expected => Ok(()),
            other => Err(self.failure(&format!("expected the line {expected:?}, not {other:?}"))),
        }
    }

    /// Says something to it.
    pub(crate) fn tell(&mut self, line: &str) -> Verdict {
        let input = self.input.as_mut().ok_or_else(|| Failure::new("the child has no input"))?;
        writeln!(input, "{line}")?;
        Ok(input.flush()?)
    }

    /// Keeps it from running, wherever it is, until it is continued.
    pub(crate) fn stop(&self) -> Verdict {
        self.signal("STOP")
    }

    /// Lets it go on after a stop.
    pub(crate) fn resume(&self) -> Verdict {
        self.signal("CONT")
    }

    fn signal(&self, name: &str) -> Verdict {
        if cfg!(not(unix)) {
            return Err(Failure::cannot_run("only on Unix can a process be stopped"));
        }
        // A part of every shell, while a program `kill` is not on every machine.
        let kill = format!("kill -{name} {}", self.id());
        let status = Command::new("sh").args(["-c", &kill]).status()?;
        if status.success() { Ok(()) } else { Err(Failure::new(format!("{kill}: {status}"))) }
    }

    /// Ends it at once, as SIGKILL does. It must not have ended by itself before.
    pub(crate) fn kill(&mut self) -> Verdict {
        if let Some(status) = self.child.try_wait()? {
            return Err(self.failure(&format!("it ended by itself: {status}")));
        }
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Waits for its end, which has to be a good one.
    pub(crate) fn finish(mut self) -> Verdict {
        drop(self.input.take());
        if self.child.wait()?.success() { Ok(()) } else { Err(self.failure("it failed")) }
    }

    /// What went wrong with it, in its own words too.
    fn failure(&mut self, what: &str) -> Failure {
        // Reading its errors to their end must not wait for a process that goes on.
        let _ = self.child.kill();
        let mut errors = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            let _ = stderr.read_to_string(&mut errors);
        }
        Failure::new(format!("process {}: {what}\n{errors}", self.id()))
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
