import Synchronization
import TestSupport
import Testing

/// An apt repository with one package, on the host's loopback interface, for as long as this value lives.
final class PackageServer: Sendable {
    static let package = "caisson-greeting"
    static let greeting = "hello from the host"
    private let socket = LoopbackSocket()
    private let files: [String: [UInt8]]
    private let isOver = Atomic(false)
    private let answered = Mutex<[String]>([])

    var port: UInt16 { socket.port }
    /// The paths that were asked for and are there, in order.
    var requests: [String] { answered.withLock { $0 } }

    init() throws {
        let folder = Folder()
        folder.folder("tree/DEBIAN")
        folder.folder("tree/usr/share")
        let control = """
            Package: \(Self.package)
            Version: 1.0
            Architecture: all
            Maintainer: nobody <nobody@localhost>
            Description: says hello

            """
        folder.file("tree/DEBIAN/control", control)
        folder.file("tree/usr/share/\(Self.package)", "\(Self.greeting)\n")
        let building = Child.run(
            "/usr/bin/dpkg-deb",
            ["--root-owner-group", "-Znone", "--build", "\(folder.path)/tree", "\(folder.path)/package.deb"],
            environment: ["PATH": "/usr/bin:/bin"])
        try #require(building.status == 0, "\(building.errors)")
        let package = Descriptor.opening("\(folder.path)/package.deb", 0).receive(1 << 20)

        func describe(_ file: String, _ bytes: [UInt8]) throws -> String {
            let sum = Child.run("/usr/bin/sha256sum", [folder.file(file, bytes)]).output.prefix(64)
            try #require(sum.count == 64)
            return String(sum)
        }
        let index =
            control
            + "Filename: ./package.deb\nSize: \(package.count)\nSHA256: \(try describe("sent.deb", package))\n\n"
        let release =
            "Codename: tests\nSHA256:\n \(try describe("Packages", Array(index.utf8))) \(index.utf8.count) Packages\n"
        files = ["/package.deb": package, "/Packages": Array(index.utf8), "/Release": Array(release.utf8)]
    }

    deinit { isOver.store(true, ordering: .relaxed) }

    /// Answers until the value is told to stop.
    func serve() {
        while !isOver.load(ordering: .relaxed) {
            guard let client = socket.accept(within: 200) else { continue }
            answer(client)
        }
    }

    func stop() { isOver.store(true, ordering: .relaxed) }

    /// One request a connection (RFC 9112): apt opens another one.
    private func answer(_ client: Descriptor) {
        var request = ""
        while !request.contains("\r\n\r\n") {
            guard client.isReady(0x001, 60_000) else { return }
            let part = client.receiveText(1)
            guard !part.isEmpty, request.utf8.count < 16384 else { return }
            request += part
        }
        var path = String(request.split(separator: " ").dropFirst().first ?? "")
        while let range = path.firstRange(of: "/./") { path.replaceSubrange(range, with: "/") }
        let body = files[path]
        if body != nil { answered.withLock { $0.append(path) } }
        let status = body == nil ? "404 Not Found" : "200 OK"
        client.send("HTTP/1.1 \(status)\r\nContent-Length: \(body?.count ?? 0)\r\nConnection: close\r\n\r\n")
        client.send(body ?? [])
    }
}
