//! Tests against the real Girder server that `tests/env/girder.sh up` starts.

#![cfg(test)]

mod client;
mod depot;
#[path = "../support/mod.rs"]
mod support;
use support::command::Invocation;
use support::girder::Girder;
use support::seeded::Seeded;
#[test]
fn up() {
    let t0 = std::time::Instant::now();
    let g = Girder::log_in();
    eprintln!("{:?}", t0.elapsed());
    for n in [0u64, 1, 65537, (40 << 20) + 3] {
        let t = std::time::Instant::now();
        let s = g.upload("a b.bin", Seeded::new(1, n));
        let mut a = ureq::get(format!("{}/file/{}/download", g.api(), s.id))
            .header("Girder-Token", g.token())
            .call()
            .unwrap();
        let b = a.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap();
        use sha2::Digest;
        assert_eq!(s.sha256, support::seeded::hex(&sha2::Sha256::digest(&b)));
        eprintln!("{} {:?}", n, t.elapsed());
    }
    let f = Invocation::of(&["--help"]).env("A", "b").finish();
    println!("{f} {}", f.peak_memory);
}
//! Tests against a real Girder: `tests/all.sh`, or `tests/env/girder.sh up` and its variable.

#![cfg(test)]

mod client;
