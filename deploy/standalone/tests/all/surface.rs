//! What people type and what they get: the program from outside.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use wardline_service::clock::{Clock, SystemClock};

const DEADLINE: Duration = Duration::from_secs(60);

fn wardline() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wardline"));
    command.stdin(Stdio::null()).env_remove("WARDLINE_CONFIG");
    command
}

fn output(arguments: &[&str]) -> Output {
    wardline().args(arguments).output().unwrap()
}

pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// `wardline run` on free ports; ends with the test.
pub(crate) struct Service {
    child: Child,
    pub(crate) addresses: BTreeMap<String, String>,
}

impl Service {
    fn start(data: &Path) -> Self {
        Self::with(data, &[])
    }

    /// With more arguments.
    pub(crate) fn with(data: &Path, more: &[&str]) -> Self {
        let free = |key: &str| format!("--set={key}=127.0.0.1:0");
        let mut child = wardline()
            .arg("run")
            .arg("--data")
            .arg(data)
            .args(more)
            .args(
                [
                    "agent.mqtt.listen",
                    "agent.mllp.listen",
                    "bridge.mqtt.listen",
                    "aggregator.api.listen",
                ]
                .map(free),
            )
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let file = data.join("run/addresses.json");
        let addresses = until("addresses.json", || {
            assert!(child.try_wait().unwrap().is_none(), "ended at its start");
            serde_json::from_slice(&std::fs::read(&file).ok()?).ok()
        });
        Self { child, addresses }
    }

    pub(crate) fn get(&self, path: &str) -> serde_json::Value {
        let url = format!("http://{}{path}", self.addresses["api"]);
        serde_json::from_str(
            &ureq::get(&url)
                .call()
                .unwrap()
                .body_mut()
                .read_to_string()
                .unwrap(),
        )
        .unwrap()
    }

    fn terminate(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        until("the end after SIGTERM", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub(crate) fn mllp(address: &str, message: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(stream, "\x0b{message}\x1c\r").unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    while byte[0] != 0x1c {
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    String::from_utf8(answer).unwrap()
}

pub(crate) fn now() -> String {
    wardline_model::time::rfc3339(SystemClock::new().wall_ms() / 1000 * 1000)
}

pub(crate) fn hl7_now() -> String {
    now().replace(['-', ':', 'T', 'Z'], "")
}

#[test]
fn demo_once_prints_the_table_without_a_terminal_and_exits_0() {
    let done = output(&["demo", "--once", "--for", "6s"]);
    let (out, err) = (
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr),
    );
    assert_eq!(done.status.code(), Some(0), "{out}{err}");
    for word in ["ED", "ICU", "WARD-A", "WARD-B", "60 beds", "unaccounted 0"] {
        assert!(out.contains(word), "{word} is missing:\n{out}{err}");
    }
}

#[test]
fn p1_p10_a_message_of_any_mllp_client_is_on_the_screen_and_can_be_explained() {
    let data = tempfile::tempdir().unwrap();
    let mut service = Service::start(data.path());
    let at = hl7_now();
    let adt = format!(
        "MSH|^~\\&|HIS|X|W|Y|{at}+0000||ADT^A01|1|P|2.5\rEVN|A01|{at}+0000\rPID|1||4711||Doe^Jane\r\
         PV1|1|I|ICU^3^1||||||||||||||||V1\r"
    );
    let answer = mllp(&service.addresses["agent_mllp"], &adt);
    assert!(answer.contains("MSA|AA|1"), "{answer}");
    let bed = until("the bed", || {
        service.get("/api/v1/beds")["beds"]
            .as_array()?
            .first()
            .cloned()
    });
    assert_eq!(
        (&bed["bed"], &bed["status"]),
        (&"ICU^3^1".into(), &"occupied".into()),
        "{bed}"
    );
    let explained = service.get("/api/v1/explain/bed/ICU%5E3%5E1");
    assert_eq!(explained["events"][0]["type"], "ADT^A01", "{explained}");
    assert_eq!(service.get("/api/v1/accounting")["unaccounted"], 0);
    // While it runs the log is read through the API, afterwards from the folder: the same lines.
    let folder = data.path().to_str().unwrap();
    let running = output(&["log", "cat", "fhir.encounter", "--data", folder]);
    assert_eq!(service.terminate(), Some(143));
    let stopped = output(&["log", "cat", "fhir.encounter", "--data", folder]);
    assert_eq!(running.stdout, stopped.stdout);
    let line: serde_json::Value = serde_json::from_slice(&stopped.stdout).unwrap();
    assert_eq!(line["headers"]["event-type"], "ADT^A01");
    // P9: neither name nor number of the patient went past the bridge.
    let text = String::from_utf8_lossy(&stopped.stdout);
    assert!(
        !text.contains("Doe") && !text.contains("4711") && !text.contains("V1\""),
        "{text}"
    );
    let topics = String::from_utf8(output(&["log", "topics", "--data", folder]).stdout).unwrap();
    assert!(
        topics.lines().any(|line| line.contains("edge.frames")),
        "{topics}"
    );
}

#[test]
fn a_message_of_mosquitto_pub_is_in_the_api() {
    if Command::new("mosquitto_pub")
        .arg("--help")
        .output()
        .is_err()
    {
        assert!(
            std::env::var("WARDLINE_REQUIRE_TOOLS").is_err(),
            "mosquitto_pub is needed and not installed"
        );
        println!("skipped: needs mosquitto_pub");
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let service = Service::start(data.path());
    let port = service.addresses["agent_mqtt"].rsplit_once(':').unwrap().1;
    let message = format!("{{\"ts\":\"{}\",\"value\":\"in-use\"}}", now());
    let topic = "devices/icu/pump-7/state";
    let sent = Command::new("mosquitto_pub")
        .args(["-q", "1", "-p", port, "-t", topic, "-m", &message])
        .status()
        .unwrap();
    assert!(sent.success());
    let device = until("the device", || {
        service.get("/api/v1/devices")["devices"]
            .as_array()?
            .first()
            .cloned()
    });
    assert_eq!(
        (&device["device"], &device["state"]),
        (&"pump-7".into(), &"in-use".into()),
        "{device}"
    );
}

#[test]
fn wrong_configuration_is_2_and_says_where_and_what_is_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("wardline.toml");
    std::fs::write(
        &file,
        "[agent]\nmqtt.lisen = \"127.0.0.1:0\"\nmllp.listen = \"0.0.0.0:2575\"\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let checked = output(&["check", "-c", file]);
    let text = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert_eq!(checked.status.code(), Some(2), "{text}");
    assert!(
        text.contains("wardline.toml:2: agent.mqtt.lisen") && text.contains("`agent.mqtt.listen`"),
        "{text}"
    );
    let open = output(&["check", "--set", "agent.mllp.listen=0.0.0.0:2575"]);
    let text = String::from_utf8_lossy(&open.stderr).into_owned();
    assert_eq!(open.status.code(), Some(2), "{text}");
    assert!(
        text.contains("agent.mllp.listen") && text.contains("insecure"),
        "{text}"
    );
    assert_eq!(output(&["check"]).status.code(), Some(0));
    assert_eq!(output(&["--no-such-flag"]).status.code(), Some(2));
}

/// Nobody mends one round after the other.
#[test]
fn check_says_every_problem_at_once_in_the_order_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.toml");
    let text = "[site]\nbeds = \"beds.csv\"\n[agent]\nmqtt.lisen = \"127.0.0.1:0\"\nmqtt.listen = \"127.0.0.1:1884\"\n\
                mllp.listen = \"0.0.0.0:2575\"\n[bridge]\nmappings = [\"nomap/*.toml\"]\n";
    std::fs::write(&file, text).unwrap();
    let checked = output(&["check", "-c", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert_eq!(checked.status.code(), Some(2), "{said}");
    let wanted = [
        ("bad.toml:2", "site.beds"),
        ("bad.toml:4", "is not a known key"),
        ("bad.toml:6", "insecure"),
        ("bad.toml:8", "no file is called so"),
    ];
    let lines: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("bad.toml"))
        .collect();
    assert_eq!(lines.len(), wanted.len(), "{said}");
    for (line, (place, word)) in lines.iter().zip(wanted) {
        assert!(line.contains(place) && line.contains(word), "{line}");
    }
    // The bridge listens there by default.
    assert!(
        said.contains("127.0.0.1:1884 is the port of agent.mqtt.listen too"),
        "{said}"
    );
}

#[test]
fn config_says_where_each_value_came_from() {
    let shown = String::from_utf8(output(&["config", "--set", "agent.name=gw-9"]).stdout).unwrap();
    assert!(shown.contains("agent.name = \"gw-9\"  # --set"), "{shown}");
    assert!(
        shown.contains("bridge.log = \"embedded\"  # default"),
        "{shown}"
    );
}

#[test]
fn a_demo_does_not_start_on_data_that_is_there() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("something"), "").unwrap();
    let refused = output(&["demo", "--once", "--data", dir.path().to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is not empty"));
}

#[test]
fn a_log_that_is_not_there_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("log");
    for _ in 0..2 {
        let refused = output(&["log", "topics", "--data", dir.path().to_str().unwrap()]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("no log in"));
        std::fs::create_dir_all(&folder).unwrap();
    }
    let made = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(made, 0, "who looks makes no log");
}

#[test]
fn p7_limits_names_every_crate_that_has_any_with_unit_and_behaviour() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let printed = output(&["limits"]);
    assert_eq!(printed.status.code(), Some(0));
    let text = String::from_utf8(printed.stdout).unwrap();
    let named: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("# ")).collect();
    let members = manifest.lines().filter_map(|l| l.trim().strip_prefix('"'));
    let members = members.filter_map(|l| l.strip_suffix("\","));
    let mut bounded = 0;
    for folder in members.filter(|folder| *folder != "hil-tests") {
        let limits = std::fs::read_to_string(root.join(folder).join("src/limits.rs"));
        if !limits.is_ok_and(|text| text.contains("limits! {")) {
            continue;
        }
        bounded += 1;
        let manifest = std::fs::read_to_string(root.join(folder).join("Cargo.toml")).unwrap();
        let name = manifest.lines().find_map(|l| l.strip_prefix("name = "));
        let name = name.unwrap().trim_matches('"');
        assert!(named.contains(&name), "{name} is missing in {named:?}");
    }
    assert!(bounded >= 9, "{bounded}");
    let row = |l: &&str| !l.starts_with(' ') && l.contains(" = ");
    let rows = text.lines().filter(row).count();
    let behaviours = text
        .lines()
        .filter(|l| l.contains("at the limit: "))
        .count();
    assert!(
        rows > 100 && rows == behaviours,
        "{rows} rows, {behaviours} behaviours"
    );
}
