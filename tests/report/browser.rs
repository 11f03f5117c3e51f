//! The page in a browser without a window: what a reader sees, in light and in dark.

use std::env;
use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::common::{Preload, Program, need};
use crate::rendered;

/// Chromium, with a directory of its own for all that it keeps.
struct Browser {
    command: &'static str,
    directory: TempDir,
}

impl Browser {
    fn new() -> Self {
        let path = env::var_os("PATH").unwrap_or_default();
        let is_there =
            |name: &&str| env::split_paths(&path).any(|place| place.join(name).is_file());
        let command = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(is_there);
        let command = command.unwrap_or_else(|| {
            need("chromium", "chromium");
            "chromium"
        });
        Self { command, directory: TempDir::new().expect("there is room") }
    }

    /// Opens `page` and returns what it prints for `arguments`.
    fn open(&self, page: &str, arguments: &[&str]) -> String {
        let path = self.directory.path().join("page.html");
        fs::write(&path, page).expect("it is ours");
        let profile =
            format!("--user-data-dir={}", self.directory.path().join("profile").display());
        let chromium = Program::at(self.command).deadline(Duration::from_secs(120));
        // Root has no sandbox; there is no display, and nothing to be fetched.
        let chromium =
            chromium.args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]);
        let chromium = chromium.args([profile.as_str(), "--window-size=1200,2400"]).args(arguments);
        let url = format!("file://{}", path.display());
        chromium.args([url]).run(Preload::Bare).succeeded().stdout
    }

    /// The document as the browser understood it.
    fn document(&self, page: &str) -> String {
        self.open(page, &["--dump-dom"])
    }

    /// The page as a picture, in bytes of PNG.
    fn picture(&self, page: &str, scheme: &str) -> Vec<u8> {
        let path = self.directory.path().join("page.png");
        let scheme = format!("--blink-settings=preferredColorScheme={scheme}");
        self.open(page, &[&format!("--screenshot={}", path.display()), &scheme]);
        fs::read(&path).expect("there is a picture")
    }
}

const DARK: &str = "0";
const LIGHT: &str = "1";

#[test]
fn the_page_tells_what_hangs() {
    let browser = Browser::new();
    let document = browser.document(&rendered("rich.jsonl", "--html"));
    for text in [
        "<title>forkfix: 5 forked children hang</title>",
        "g_cache_lock",
        "server::registry::SESSIONS+0x8",
        "cache_evict, cache.c:77",
        "/src/shop/worker.py:88",
        "kept the lock for longer than the fork may wait",
        "Give the fork more time",
        "1 more child hangs alike: 5131",
        "FF-RAWFUTEX",
    ] {
        assert!(document.contains(text), "{text} is not in the document");
    }
    assert_is_accessible(&document);
    assert_is_accessible(&browser.document(&rendered("healthy.jsonl", "--html")));
}

/// One first heading, names that are there and unique, a title in each picture.
fn assert_is_accessible(document: &str) {
    assert_eq!(document.matches("<h1").count(), 1);
    let values = |attribute: &str| -> Vec<String> {
        let pieces = document.split(attribute).skip(1);
        pieces.filter_map(|piece| Some(piece.split_once('"')?.0.to_owned())).collect()
    };
    let ids = values(" id=\"");
    let mut unique = ids.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
    for name in values("aria-labelledby=\"").iter().flat_map(|names| names.split(' ')) {
        assert!(ids.iter().any(|id| id == name), "nothing is called {name}");
    }
    for picture in document.split("<svg").skip(1) {
        let (tag, content) = picture.split_once('>').expect("it is a tag");
        assert!(
            tag.contains("aria-hidden") || content.starts_with("<title"),
            "<svg{tag}> has no title"
        );
    }
}

#[test]
fn names_do_not_become_part_of_the_page() {
    let document = Browser::new().document(&rendered("hostile.jsonl", "--html"));
    assert!(document.contains("<title>forkfix: 2 forked children hang</title>"), "{document}");
    for tag in ["<script", "<img"] {
        assert!(!document.contains(tag), "{tag}");
    }
    assert!(document.contains("&lt;script&gt;"), "it is told");
    // The page goes on after it.
    assert!(document.contains("docs/reports.md"));
}

#[test]
fn the_page_is_seen_in_light_and_in_dark() {
    let browser = Browser::new();
    let blank = browser.picture("<!DOCTYPE html><title>blank</title>", LIGHT);
    let page = rendered("rich.jsonl", "--html");
    let pictures = [LIGHT, DARK].map(|scheme| browser.picture(&page, scheme));
    for picture in &pictures {
        assert!(picture.starts_with(b"\x89PNG"));
        // A page of one colour is packed into little.
        assert!(picture.len() > 8 * blank.len(), "{} bytes, blank {}", picture.len(), blank.len());
    }
    let [light, dark] = &pictures;
    assert_ne!(light, dark, "the page does not heed the colour scheme");
    keep("light", light);
    keep("dark", dark);
}

/// Leaves a picture in the target directory, for who wants to look at it.
fn keep(name: &str, picture: &[u8]) {
    let path = Path::new(&crate::common::out_dir()).join(format!("{name}.png"));
    fs::write(path, picture).expect("the target directory is writable");
}
