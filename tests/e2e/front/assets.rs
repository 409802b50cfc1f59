//! Files of a package.

use belljar_tests::applet;
use belljar_tests::front::Served;

fn package() -> Vec<u8> {
    let manifest =
        "id: files\nversion: 1.0.0\nname: Files\nruntime: { entrypoint: src/main.ts }\ncors: ['https://app.example']
handlers:\n  - { name: default, type: http, method: GET, path: '/assets/*', auth: none }\n";
    let folder = applet::folder(&[
        ("manifest.yaml", manifest),
        ("src/main.ts", "export default () => 'from the handler';"),
        ("assets/app-0a1b2c3d.js", "console.log(1)"),
        ("assets/sub/page.html", "<p>0123456789</p>"),
        ("assets/empty.txt", ""),
    ]);
    applet::package(folder.path())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_served_to_caches() {
    let served = Served::start().await;
    let active = served.install("acme", &package());
    let mut client = served.connect().await;
    let reply =
        client.request("GET /acme/files/assets/app-0a1b2c3d.js HTTP/1.1\norigin: https://app.example", b"").await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "console.log(1)"));
    assert_eq!(reply.header("content-type"), "text/javascript; charset=utf-8");
    assert_eq!(reply.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(reply.header("access-control-allow-origin"), "https://app.example");

    let page = "/acme/files/assets/sub/page.html";
    let reply = client.request(&format!("GET {page} HTTP/1.1"), b"").await;
    assert_eq!((reply.header("cache-control"), reply.header("content-type")), ("no-cache", "text/html; charset=utf-8"));
    let tag = reply.header("etag").to_owned();
    let reply = client.request(&format!("GET {page} HTTP/1.1\nif-none-match: \"x\", W/{tag}"), b"").await;
    assert_eq!((reply.status, reply.header("etag"), reply.text().as_str()), (304, tag.as_str(), ""));
    let reply = client.request(&format!("HEAD {page} HTTP/1.1"), b"").await;
    assert_eq!((reply.status, reply.header("content-length")), (200, "17"));
    let reply = client.request(&format!("GET {page} HTTP/1.1\nrange: bytes=3-5"), b"").await;
    assert_eq!((reply.status, reply.text().as_str(), reply.header("content-range")), (206, "012", "bytes 3-5/17"));
    let reply = client.request(&format!("GET {page} HTTP/1.1\nrange: bytes=3-5\nif-range: \"old\""), b"").await;
    assert_eq!(reply.status, 200);
    let reply = client.request(&format!("GET {page} HTTP/1.1\nrange: bytes=99-"), b"").await;
    assert_eq!((reply.status, reply.header("content-range")), (416, "bytes */17"));
    let reply = client.request("GET /acme/files/assets/empty.txt HTTP/1.1", b"").await;
    assert_eq!((reply.status, reply.header("content-length")), (200, "0"));
    assert!(served.records.all().is_empty(), "nothing was called");

    // What is no file is the handlers', and nothing else of the package is a file.
    assert_eq!(client.request("GET /acme/files/assets/none.js HTTP/1.1", b"").await.text(), "\"from the handler\"");
    assert_eq!(client.request("GET /acme/files/assets/../manifest.yaml HTTP/1.1", b"").await.status, 400);
    served.memory.activate(belljar_server::directory::Active { is_enabled: false, ..(*active).clone() });
    assert_eq!(client.request(&format!("GET {page} HTTP/1.1"), b"").await.status, 503);
}
