//! What a scripted Girder is told, and when.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

use super::*;
use crate::spec::HttpUrl;

/// How much later one request may arrive than the next, on a busy machine.
const JITTER: Duration = Duration::from_millis(250);

/// What came: when, and the form's members.
type Came = (Instant, Vec<(String, String)>);

/// A Girder that answers with these statuses, then always with the last; what came to it.
fn girder(answers: Vec<u16>) -> (GirderJob, Receiver<Came>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/api/v1/job/5f", listener.local_addr().unwrap());
    let (sender, came) = crossbeam_channel::unbounded();
    thread::spawn(move || {
        let last = *answers.last().unwrap();
        let mut answers = answers.into_iter();
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut length, mut line) = (0, String::new());
            while stream.read_line(&mut line).unwrap() > 2 {
                let lower = line.to_ascii_lowercase();
                if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let form = url::form_urlencoded::parse(&body).into_owned().collect();
            if sender.send((Instant::now(), form)).is_err() {
                return;
            }
            let status = answers.next().unwrap_or(last);
            let text = "{\"message\": \"as it was told\"}";
            let answer = format!(
                "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
                text.len()
            );
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    });
    let url = HttpUrl::parse(&url).unwrap();
    (GirderJob { url, headers: [].into(), method: "PUT".to_owned() }, came)
}

fn start(answers: Vec<u16>) -> (JobReporter, Receiver<Came>) {
    let (job, came) = girder(answers);
    (JobReporter::start(&job, &Options::default()).unwrap(), came)
}

/// The error with what lies behind it.
fn told(error: &Untold) -> String {
    let source = std::error::Error::source(error);
    format!("{error}: {}", source.map(ToString::to_string).unwrap_or_default())
}

fn next(came: &Receiver<Came>) -> Came {
    came.recv_timeout(Duration::from_secs(20)).expect("an update in time")
}

fn all(came: &Receiver<Came>, name: &str) -> Vec<String> {
    let named = |(_, form): Came| form.into_iter().find(|(key, _)| key == name).map(|(_, v)| v);
    came.try_iter().filter_map(named).collect()
}

#[test]
fn updates_keep_their_order_and_their_pace() {
    let (reporter, came) = start(vec![200]);
    let teller = reporter.teller();
    teller.status(JobStatus::Running);
    let (first, form) = next(&came);
    assert_eq!(form, [("status".to_owned(), "2".to_owned())]);
    (0..1000).for_each(|number| teller.log(&format!("{number}\n")));
    let (second, _) = next(&came);
    assert!(second - first >= INTERVAL - JITTER, "{:?}", second - first);
    teller.log("end");
    teller.status(JobStatus::Success);
    reporter.flush().unwrap();
    let (third, form) = next(&came);
    assert!(third - second >= INTERVAL - JITTER);
    assert_eq!(form, [("log", "end"), ("status", "3")].map(|(k, v)| (k.to_owned(), v.to_owned())));
    assert!(came.try_recv().is_err());
}

#[test]
fn an_update_that_fails_is_sent_again() {
    let (reporter, came) = start(vec![503, 500, 200]);
    reporter.teller().log("kept");
    reporter.flush().unwrap();
    assert_eq!(all(&came, "log"), ["kept"; 3]);
}

#[test]
fn a_girder_that_takes_nothing_from_us_is_left_alone() {
    let (reporter, came) = start(vec![403]);
    let teller = reporter.teller();
    teller.log("a");
    next(&came);
    teller.log("b");
    let warning = told(&reporter.flush().unwrap_err());
    assert!(warning.starts_with("1 update of the job in Girder failed: "), "{warning}");
    assert!(warning.contains("as it was told"), "{warning}");
    assert!(came.try_iter().count() <= 1);
}

#[test]
fn what_was_done_in_spite_of_a_cancel_is_canceled_and_its_log_kept() {
    let (reporter, came) = start(vec![400, 200]);
    let teller = reporter.teller();
    teller.log("text");
    teller.status(JobStatus::Success);
    reporter.flush().unwrap();
    let forms: Vec<_> = came.try_iter().map(|(_, form)| form).collect();
    let form = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    };
    let expected = [
        form(&[("log", "text"), ("status", "3")]),
        form(&[("log", "text")]),
        form(&[("status", "5")]),
    ];
    assert_eq!(forms, expected);
}

#[test]
fn a_server_that_is_not_there_costs_a_warning() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = HttpUrl::parse(&format!("http://{}/job/5f", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let job = GirderJob { url, headers: [].into(), method: "PUT".to_owned() };
    let reporter = JobReporter::start(&job, &Options::default()).unwrap();
    reporter.teller().log("a");
    let began = Instant::now();
    let warning = told(&reporter.flush().unwrap_err());
    assert!(warning.contains("cannot reach") || warning.contains("refused"), "{warning}");
    assert!(began.elapsed() < FLUSH + Duration::from_secs(5));
}
