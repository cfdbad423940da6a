//! What a scripted Girder is told, and when.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::pace::INTERVAL;
use super::*;
use crate::spec::HttpUrl;

/// How much later one request may arrive than the next, on a busy machine.
const JITTER: Duration = Duration::from_millis(250);

/// What came: when, and the form's members.
type Came = (Instant, Vec<(String, String)>);

/// What Girder answers: the HTTP status, and the job's status in the body.
type Answer = (u16, i64);

/// A Girder that answers updates so, and always with the last in the end; asked for the job's record
/// it says `found`.
#[derive(Default)]
struct Script {
    answers: Vec<Answer>,
    found: i64,
    /// The job's log.
    log: Vec<String>,
    /// When the job got its status, if the answers say so; each update is of the time "now".
    since: Option<&'static str>,
    /// What answers the first requests in its place, where something does: a status and a page.
    in_its_place: Vec<Option<(u16, &'static str)>>,
}

impl Script {
    fn all(answers: &[Answer]) -> Self {
        let log = vec!["before\n".to_owned()];
        Self { answers: answers.to_vec(), found: 2, log, ..Self::default() }
    }

    fn answer(&mut self, method: &str) -> String {
        let front = (!self.in_its_place.is_empty()).then(|| self.in_its_place.remove(0));
        if let Some((code, page)) = front.flatten() {
            let head = "Location: /back-soon\r\nConnection: close";
            return format!("HTTP/1.1 {code} X\r\n{head}\r\n\r\n{page}");
        }
        let (code, status) = match method {
            "GET" => (200, self.found),
            _ if self.answers.len() > 1 => self.answers.remove(0),
            _ => self.answers[0],
        };
        let text = match code {
            200 => {
                let stamps = self.since.map(|time| format!(r#"{{"status": 2, "time": "{time}"}}"#));
                let stamps = stamps.unwrap_or_default();
                let log = serde_json::to_string(&self.log).unwrap();
                format!(
                    r#"{{"_id": "5f", "status": {status}, "log": {log}, "updated": "now", "timestamps": [{stamps}]}}"#
                )
            }
            400 if status == DELETED => r#"{"message": "Invalid job id (5f)."}"#.to_owned(),
            400 => r#"{"message": "no", "field": "status", "type": "validation"}"#.to_owned(),
            _ => r#"{"message": "as it was told"}"#.to_owned(),
        };
        let length = text.len();
        format!("HTTP/1.1 {code} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}")
    }

    fn serve(mut self, listener: &TcpListener, came: &Sender<Came>) {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut length, mut line) = (0, String::new());
            stream.read_line(&mut line).unwrap();
            let method = line.split(' ').next().unwrap().to_owned();
            line.clear();
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
            if method != "GET" && came.send((Instant::now(), form)).is_err() {
                return;
            }
            let answer = self.answer(&method);
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    }
}

const DELETED: i64 = -1;

/// A reporter to such a Girder, what comes there, and whether the job was cancelled.
fn start(script: Script) -> (JobReporter, Receiver<Came>, Receiver<Stop>) {
    start_with(script, ReporterOptions::default())
}

fn start_with(
    script: Script,
    options: ReporterOptions,
) -> (JobReporter, Receiver<Came>, Receiver<Stop>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/api/v1/job/5f", listener.local_addr().unwrap());
    let (sender, came) = unbounded();
    thread::spawn(move || script.serve(&listener, &sender));
    let (sender, stopped) = unbounded();
    let stop = move |why| sender.send(why).unwrap();
    let reporter = JobReporter::start(&job(&url), options, stop).unwrap();
    (reporter, came, stopped)
}

fn job(url: &str) -> GirderJob {
    let url = HttpUrl::parse(url).unwrap();
    let session = crate::spec::GirderSession::default();
    GirderJob { url, headers: [].into(), method: "PUT".to_owned(), session }
}

/// The error with what lies behind it.
fn told(error: &Untold) -> String {
    let source = std::error::Error::source(error);
    format!("{error}: {}", source.map(ToString::to_string).unwrap_or_default())
}

fn next(came: &Receiver<Came>) -> Came {
    came.recv_timeout(Duration::from_secs(20)).expect("an update in time")
}

fn form(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn forms(came: &Receiver<Came>) -> Vec<Vec<(String, String)>> {
    came.try_iter().map(|(_, form)| form).collect()
}

#[test]
fn updates_keep_their_order_and_their_pace() {
    let (reporter, came, _) = start(Script::all(&[(200, 2)]));
    let teller = reporter.teller();
    assert!(matches!(reporter.begin(), Begun::Running));
    let (first, begins) = next(&came);
    assert_eq!(begins, form(&[("status", "2")]));
    (0..1000).for_each(|number| teller.log(&format!("{number}\n")));
    let (second, _) = next(&came);
    assert!(second - first >= INTERVAL - JITTER, "{:?}", second - first);
    teller.log("end");
    teller.status(JobStatus::Success);
    reporter.flush().unwrap();
    // This one does not wait for the pace, if it is closed before that is over.
    let (_, ends) = next(&came);
    assert_eq!(ends, form(&[("log", "end"), ("status", "3")]));
    assert!(came.try_recv().is_err());
}

#[test]
fn an_update_that_fails_is_sent_again_with_what_came_meanwhile() {
    let (reporter, came, _) = start(Script::all(&[(503, 0), (500, 0), (200, 2)]));
    let teller = reporter.teller();
    teller.log("kept");
    assert_eq!(next(&came).1, form(&[("log", "kept")]));
    teller.log(", too");
    reporter.flush().unwrap();
    assert_eq!(forms(&came).last().unwrap(), &form(&[("log", "kept, too")]));
}

#[test]
fn a_girder_that_takes_nothing_from_us_is_left_alone() {
    let (reporter, came, cancelled) = start(Script::all(&[(403, 0)]));
    let teller = reporter.teller();
    assert!(matches!(reporter.begin(), Begun::Refused(_)));
    next(&came);
    teller.log("b");
    let warning = told(&reporter.flush().unwrap_err());
    assert!(warning.starts_with("an update of the job in Girder failed"), "{warning}");
    assert!(warning.contains("as it was told"), "{warning}");
    assert!(came.try_recv().is_err() && cancelled.try_recv().is_err());
}

#[test]
fn a_job_that_does_not_begin_says_why_and_is_told_nothing_more() {
    for (found, last) in [(3, None), (4, None), (5, None), (824, Some("5"))] {
        let answers = [(400, 0), (200, 5)];
        let (reporter, came, cancelled) = start(Script { found, ..Script::all(&answers) });
        let begun = reporter.begin();
        match found {
            3 => assert!(matches!(begun, Begun::Ended(JobStatus::Success))),
            4 => assert!(matches!(begun, Begun::Ended(JobStatus::Error))),
            _ => assert!(matches!(begun, Begun::Canceled), "{begun:?}"),
        }
        reporter.teller().log("never seen");
        reporter.teller().status(JobStatus::Success);
        let flushed = reporter.flush();
        assert_eq!(matches!(flushed, Err(Untold::Ended(_))), found < 5, "{flushed:?}");
        let expected = [Some("2"), last].into_iter().flatten();
        let expected: Vec<_> = expected.map(|status| form(&[("status", status)])).collect();
        assert_eq!(forms(&came), expected, "of {found}");
        assert!(cancelled.try_recv().is_err(), "it did not begin");
    }
}

/// How a job begins that others may have been given, and what Girder was told.
fn begun_alone(script: Script) -> (Begun, Vec<Vec<(String, String)>>) {
    let (reporter, came, _) = start(script);
    let (sender, begun) = unbounded();
    reporter.begin_alone_then(ours(), move |begun| drop(sender.send(begun)));
    let begun = begun.recv_timeout(Duration::from_secs(20)).unwrap();
    reporter.teller().log("it works\n");
    let _ = reporter.flush();
    (begun, forms(&came))
}

fn ours() -> Mark {
    Mark::new("b@h", "2".to_owned())
}

/// A job that another has begun, and has given away if he `left`, before us.
fn of_another(left: bool) -> Vec<String> {
    let other = Mark::new("a@h", "1".to_owned());
    let left = left.then(|| other.leaves());
    [other.begins()].into_iter().chain(left).chain([ours().begins()]).collect()
}

#[test]
fn a_job_that_another_has_begun_is_left_to_it_unless_he_has_given_it_away() {
    let begins = form(&[("log", &*ours().begins()), ("status", "2")]);
    let told = form(&[("log", "it works\n")]);
    for (since, log, runs) in [
        (None, Vec::new(), true),
        (Some("now"), Vec::new(), true),
        (Some("before"), of_another(false), false),
        (Some("before"), of_another(true), true),
    ] {
        let script = Script { since, log, ..Script::all(&[(200, 2)]) };
        let (begun, came) = begun_alone(script);
        assert_eq!(matches!(begun, Begun::Running), runs, "{begun:?}");
        assert_eq!(matches!(begun, Begun::Elsewhere), !runs, "{begun:?}");
        let expected = [Some(&begins), runs.then_some(&told)].into_iter().flatten();
        assert_eq!(came, expected.cloned().collect::<Vec<_>>());
    }
    // Both began in the same moment.
    let (begun, came) = begun_alone(Script::all(&[(400, 0)]));
    assert!(matches!(begun, Begun::Elsewhere), "{begun:?}");
    assert_eq!(came, std::slice::from_ref(&begins));
    // Who does not ask begins.
    let script = Script { since: Some("before"), ..Script::all(&[(200, 2)]) };
    let (reporter, _came, _) = start(script);
    assert!(matches!(reporter.begin(), Begun::Running));
}

#[test]
fn who_did_not_hear_an_answer_looks_whether_the_job_runs_by_its_own_word() {
    let begins = form(&[("log", &*ours().begins()), ("status", "2")]);
    let told = form(&[("log", "it works\n")]);
    let lost = [(503, 0), (200, 2)];
    let ours = vec![ours().begins()];
    for (found, since, log, runs, times) in [
        // It was taken, or another's, or not taken.
        (2, "now", ours.clone(), true, 1),
        (2, "before", of_another(false), false, 1),
        (2, "before", of_another(true), true, 1),
        (2, "before", vec!["a line\n".to_owned()], false, 1),
        (0, "now", ours, true, 2),
    ] {
        let script = Script { found, since: Some(since), log, ..Script::all(&lost) };
        let (begun, came) = begun_alone(script);
        assert_eq!(matches!(begun, Begun::Running), runs, "{begun:?}");
        assert_eq!(matches!(begun, Begun::Elsewhere), !runs, "{begun:?}");
        let expected = std::iter::repeat_n(&begins, times).chain(runs.then_some(&told));
        assert_eq!(came, expected.cloned().collect::<Vec<_>>());
    }
}

#[test]
fn a_job_that_was_deleted_is_not_begun() {
    let (reporter, _came, _) = start(Script::all(&[(400, DELETED)]));
    assert!(matches!(reporter.begin(), Begun::Deleted));
    assert!(matches!(reporter.flush(), Err(Untold::Refused(_))));
}

#[test]
fn an_answer_that_says_canceling_cancels_once() {
    let (reporter, came, cancelled) = start(Script::all(&[(200, 2), (200, 824)]));
    assert!(matches!(reporter.begin(), Begun::Running));
    let teller = reporter.teller();
    teller.log("a");
    cancelled.recv_timeout(Duration::from_secs(20)).unwrap();
    teller.log("the run was cancelled\n");
    teller.status(JobStatus::Canceled);
    reporter.flush().unwrap();
    assert!(cancelled.try_recv().is_err());
    let last = form(&[("log", "the run was cancelled\n"), ("status", "5")]);
    assert_eq!(forms(&came).last(), Some(&last));
}

#[test]
fn a_job_that_is_told_nothing_is_looked_at() {
    let (reporter, came, cancelled) = start(Script::all(&[(200, 2), (200, 824)]));
    assert!(matches!(reporter.begin(), Begun::Running));
    next(&came);
    reporter.teller().look();
    assert_eq!(next(&came).1, [], "nothing changes");
    cancelled.recv_timeout(Duration::from_secs(20)).unwrap();
}

#[test]
fn what_was_done_in_spite_of_a_cancel_is_canceled_and_its_log_kept() {
    let script = Script { found: 824, ..Script::all(&[(400, 0), (200, 5)]) };
    let (reporter, came, _) = start(script);
    let teller = reporter.teller();
    teller.status(JobStatus::Success);
    teller.log("text");
    reporter.flush().unwrap();
    let all = forms(&came);
    assert_eq!(all.first().unwrap().last().unwrap().1, "3");
    assert_eq!(all.last().unwrap(), &form(&[("log", "text"), ("status", "5")]));
}

#[test]
fn a_job_that_never_started_is_canceled() {
    let (reporter, came, _) = start(Script::all(&[(200, 5)]));
    reporter.teller().log("it has expired\n");
    reporter.teller().status(JobStatus::Canceled);
    let (sender, all_told) = unbounded();
    reporter.finish(move |told| sender.send(told.is_ok()).unwrap());
    assert!(all_told.recv_timeout(Duration::from_secs(20)).unwrap());
    let all = forms(&came).concat();
    assert_eq!(all, form(&[("log", "it has expired\n"), ("status", "5")]));
}

#[test]
fn a_server_that_is_not_there_is_waited_for_as_long_as_patience_is() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let job = job(&format!("http://{}/job/5f", listener.local_addr().unwrap()));
    drop(listener);
    let patience = Duration::from_secs(2);
    let options = ReporterOptions { patience, ..ReporterOptions::default() };
    let reporter = JobReporter::start(&job, options, |_| {}).unwrap();
    let began = Instant::now();
    assert!(matches!(reporter.begin(), Begun::Unreachable(_)));
    assert!(began.elapsed() >= patience);
    let closed = Instant::now();
    let warning = told(&reporter.flush().unwrap_err());
    assert!(warning.contains("cannot reach") || warning.contains("refused"), "{warning}");
    assert!(closed.elapsed() < patience + Duration::from_secs(5));
}

#[test]
fn a_job_with_a_proxy_is_told_by_way_of_it() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut job = job("http://girder.invalid/api/v1/job/5f");
    let address = format!("http://{}", proxy.local_addr().unwrap());
    job.session.proxies.insert("http".to_owned(), crate::spec::Secret::new(address));
    let reporter = JobReporter::start(&job, ReporterOptions::default(), |_| {}).unwrap();
    let teller = reporter.teller();
    teller.log("a");
    let (stream, _) = proxy.accept().unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    assert!(line.contains("girder.invalid"), "{line}");
    teller.hurry(Duration::ZERO);
    reporter.flush().unwrap_err();
    let mut wrong = job.clone();
    wrong.session.proxies.insert("http".to_owned(), crate::spec::Secret::new("ftp://secret@x"));
    let error = JobReporter::start(&wrong, ReporterOptions::default(), |_| {}).unwrap_err();
    let told = std::error::Error::source(&error).unwrap().to_string();
    assert!(told.contains("proxy") && !told.contains("secret"), "{told}");
}

#[test]
fn who_has_no_time_left_does_not_wait() {
    let (reporter, _came, _) = start(Script::all(&[(503, 0)]));
    let teller = reporter.teller();
    teller.log("a");
    teller.hurry(Duration::ZERO);
    let began = Instant::now();
    reporter.flush().unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_proxys_404_is_waited_out_where_the_address_is_known_to_be_right() {
    let away = || Script::all(&[(404, 0), (200, 2), (404, 0), (200, 3)]);
    let (reporter, _came, _) = start(away());
    let begun = reporter.begin();
    let Begun::Refused(error) = begun else { panic!("{begun:?}") };
    assert!(error.to_string().contains("there is no Girder API"), "{error}");

    let options = ReporterOptions { knows_address: true, ..ReporterOptions::default() };
    let (reporter, _came, _) = start_with(away(), options);
    assert!(matches!(reporter.begin(), Begun::Running));
    reporter.teller().status(JobStatus::Success);
    reporter.flush().unwrap();

    // Girder has answered there.
    let (reporter, came, _) = start(Script::all(&[(200, 2), (404, 0), (200, 3)]));
    assert!(matches!(reporter.begin(), Begun::Running));
    reporter.teller().status(JobStatus::Success);
    reporter.flush().unwrap();
    assert_eq!(forms(&came).len(), 3);
}

/// What stands in Girder's place for as long as somebody works on it.
const PAGES: [&str; 4] = [
    "<html><title>Back soon</title></html>",
    r#"{"status": 200, "message": "back soon"}"#,
    "",
    "[]",
];

#[test]
fn a_page_in_girders_place_is_waited_out_where_the_address_is_known_to_be_right() {
    let [html, json, empty, list] = PAGES.map(|page| Some((200, page)));
    let begins = form(&[("status", "2")]);
    let ends = form(&[("log", "the end\n"), ("status", "3")]);
    // Of the beginning, of the log's size, of the end.
    let in_its_place = vec![html, json, None, empty, None, list, html, None];
    let script = Script { in_its_place, ..Script::all(&[(200, 2), (200, 3)]) };
    let options = ReporterOptions { knows_address: true, ..ReporterOptions::default() };
    let (reporter, came, _) = start_with(script, options);
    assert!(matches!(reporter.begin(), Begun::Running));
    reporter.teller().log("the end\n");
    reporter.teller().status(JobStatus::Success);
    reporter.flush().unwrap();
    let wanted = [&begins, &begins, &begins, &ends, &ends, &ends];
    assert_eq!(forms(&came), wanted.map(Clone::clone));

    for page in PAGES {
        let in_its_place = vec![Some((200, page))];
        let script = Script { in_its_place, ..Script::all(&[(200, 2)]) };
        let (reporter, _came, _) = start(script);
        let begun = reporter.begin();
        let Begun::Refused(error) = begun else { panic!("{begun:?} of {page}") };
        let words = error.to_string();
        assert!(words.contains("there is no Girder API"), "{words}");
        assert!(words.ends_with("something else than Girder answers there"), "{words}");
    }
}

#[test]
fn where_girder_has_answered_whatever_is_not_its_word_is_waited_out() {
    let page = PAGES[0];
    let in_its_place = vec![None, Some((302, "")), Some((403, page)), Some((404, page)), None];
    let script = Script { in_its_place, ..Script::all(&[(200, 2), (200, 3)]) };
    let (reporter, came, _) = start(script);
    assert!(matches!(reporter.begin(), Begun::Running));
    reporter.teller().status(JobStatus::Success);
    reporter.flush().unwrap();
    assert_eq!(forms(&came).len(), 5);

    // Before that, the address is wrong.
    for (code, page) in [(302, ""), (403, page)] {
        let script = Script { in_its_place: vec![Some((code, page))], ..Script::all(&[(200, 2)]) };
        let options = ReporterOptions { knows_address: true, ..ReporterOptions::default() };
        let (reporter, _came, _) = start_with(script, options);
        let begun = reporter.begin();
        assert!(matches!(begun, Begun::Refused(_)), "{code}: {begun:?}");
    }
}
