//! The dashboard in a real pseudo-terminal: what a person's terminal gets, whatever happens to its size, its keys, what else
//! writes on it, and the API behind it. At the end the terminal is always given back.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::{Arc, Mutex};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::support::{Server, answers, wait_for};

struct Terminal {
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    seen: Arc<Mutex<vt100::Parser>>,
}

fn size(columns: u16, lines: u16) -> PtySize {
    PtySize {
        rows: lines,
        cols: columns,
        pixel_width: 0,
        pixel_height: 0,
    }
}

fn nonzero(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).unwrap()
}

impl Terminal {
    fn start(api: &str, state: &Path) -> Self {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_wardline-tui"));
        command.args(["--api", api]);
        Self::run(command, state)
    }

    fn run(mut command: CommandBuilder, state: &Path) -> Self {
        let pty = native_pty_system().openpty(size(100, 30)).unwrap();
        command.env("TERM", "xterm-256color");
        command.env("LC_ALL", "C.UTF-8");
        command.env("XDG_STATE_HOME", state);
        command.env_remove("WARDLINE_CONFIG");
        command.env_remove("NO_COLOR");
        let child = pty.slave.spawn_command(command).unwrap();
        drop(pty.slave);
        let seen = Arc::new(Mutex::new(vt100::Parser::new(nonzero(30), nonzero(100), 0)));
        let (mut reader, parser) = (pty.master.try_clone_reader().unwrap(), seen.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut bytes) {
                parser.lock().unwrap().process(&bytes[..n]);
            }
        });
        let keys = pty.master.take_writer().unwrap();
        Self {
            master: pty.master,
            keys,
            child,
            seen,
        }
    }

    fn text(&self) -> String {
        self.seen.lock().unwrap().screen().contents()
    }

    fn shows(&self, what: &str) {
        wait_for(what, || self.text().contains(what));
    }

    fn press(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
        self.keys.flush().unwrap();
    }

    fn resize(&self, columns: u16, lines: u16) {
        self.seen
            .lock()
            .unwrap()
            .screen_mut()
            .set_size(nonzero(lines), nonzero(columns));
        self.master.resize(size(columns, lines)).unwrap();
    }

    /// Not in the picture's screen any more.
    fn is_given_back(&self) -> bool {
        !self.seen.lock().unwrap().screen().alternate_screen()
    }

    /// Quits, with 0 and the terminal given back.
    fn quit(mut self) {
        self.press(b"\x03");
        wait_for("the end", || self.child.try_wait().unwrap().is_some());
        assert!(self.child.wait().unwrap().success());
        wait_for("the terminal back", || self.is_given_back());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn opened() -> (Server, Terminal, tempfile::TempDir) {
    let server = Server::start(&answers());
    let state = tempfile::tempdir().unwrap();
    let terminal = Terminal::start(&server.url(), state.path());
    terminal.shows("FREE 1");
    (server, terminal, state)
}

#[test]
fn a_storm_of_sizes_and_twenty_thousand_keys_leave_it_alive() {
    let (_server, mut terminal, _state) = opened();
    let others: [&[u8]; 12] = [
        b"\x1b", b"\r", b"\x0c", b"\x7f", b"\x1b[A", b"\x1b[B", b"\x1b[C", b"\x1b[D", b"\x1b[5~",
        b"\x1b[6~", b"\x1b[H", b"\x1b[F",
    ];
    // Knuth's multiplier: the same keys in every run.
    let mut seed = 1u64;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(seed >> 33).unwrap() % below
    };
    for n in 0..20_000 {
        if n % 50 == 0 {
            let (columns, lines) = (1 + random(260), 1 + random(90));
            terminal.resize(
                u16::try_from(columns).unwrap(),
                u16::try_from(lines).unwrap(),
            );
        }
        let letter = b' ' + u8::try_from(random(95)).unwrap();
        match random(3) {
            0 => terminal.press(others[random(others.len())]),
            _ if letter == b'q' => {}
            _ => terminal.press(&[letter]),
        }
    }
    terminal.resize(100, 30);
    // Out of whatever is open, to the first screen.
    wait_for("the first screen", || {
        terminal.press(b"\x1b");
        terminal.text().contains("DEPARTMENT")
    });
    assert!(terminal.text().contains("FREE 1"));
    terminal.quit();
}

#[test]
fn what_else_writes_on_the_terminal_is_gone_after_control_l() {
    let (_server, mut terminal, _state) = opened();
    let broadcast = b"\x1b[5;10HBroadcast message from root";
    terminal.seen.lock().unwrap().process(broadcast);
    assert!(terminal.text().contains("Broadcast message"));
    terminal.press(b"\x0c");
    wait_for("a clean picture", || {
        let text = terminal.text();
        !text.contains("Broadcast") && text.contains("FREE 1") && text.contains("ICU")
    });
    terminal.quit();
}

/// With a shell around it, because only a shell can stop and continue what it started.
#[test]
fn control_z_gives_the_terminal_back_and_fg_takes_it_again() {
    let server = Server::start(&answers());
    let state = tempfile::tempdir().unwrap();
    let mut shell = CommandBuilder::new("bash");
    shell.args(["--noprofile", "--norc", "-i"]);
    shell.env("PS1", "ready> ");
    let mut terminal = Terminal::run(shell, state.path());
    terminal.shows("ready> ");
    let program = env!("CARGO_BIN_EXE_wardline-tui");
    terminal.press(format!("{program} --api {}\r", server.url()).as_bytes());
    terminal.shows("FREE 1");
    terminal.press(b"\x1a");
    terminal.shows("Stopped");
    assert!(terminal.is_given_back());
    terminal.press(b"fg\r");
    wait_for("the picture again", || {
        !terminal.is_given_back() && terminal.text().contains("FREE 1")
    });
    terminal.press(b"q");
    wait_for("the shell again", || terminal.is_given_back());
    terminal.press(b"echo $?; exit\r");
    wait_for("the end", || terminal.child.try_wait().unwrap().is_some());
}

#[test]
fn p10_an_api_that_is_killed_is_said_in_the_first_line_until_it_is_back() {
    let (server, terminal, _state) = opened();
    let address = server.address;
    drop(server);
    terminal.shows("STALE");
    assert!(terminal.text().contains("FREE 1"), "the last numbers stay");
    let _server = Server::on(address, &answers());
    wait_for("the numbers of now", || {
        let text = terminal.text();
        !text.contains("STALE") && text.contains("live 1 agent")
    });
    terminal.quit();
}

#[test]
fn p10_at_a_start_without_an_answer_the_last_picture_is_shown_with_its_time() {
    let (server, terminal, state) = opened();
    let (url, kept) = (server.url(), state.path().join("wardline/last.json"));
    wait_for("the snapshot", || kept.exists());
    terminal.quit();
    drop(server);
    let terminal = Terminal::start(&url, state.path());
    terminal.shows("SNAPSHOT");
    terminal.shows("as of 2026-03-01 11:00:00");
    terminal.shows("FREE 1");
    terminal.quit();
}
