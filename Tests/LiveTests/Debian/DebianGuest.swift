import Caisson
import Foundation
import SystemPackage
import TestSupport
import Testing

/// What `guest-images/debian` makes.
enum DebianGuest {
    /// The folder of `debian.img`, made for the default guest's kernel.
    static let folder = folder(named: "CAISSON_TEST_DEBIAN", with: "debian.img")
    /// The folder of one with Debian's kernel beside it.
    static let stockFolder = folder(named: "CAISSON_TEST_DEBIAN_KERNEL", with: "vmlinuz")

    private static func folder(named variable: String, with file: String) -> String? {
        guard let folder = ProcessInfo.processInfo.environment[variable], !folder.isEmpty else { return nil }
        return FileManager.default.fileExists(atPath: "\(folder)/\(file)") ? folder : nil
    }

    /// A copy of a folder's disk, to write to.
    static func copyOfDisk(in folder: String?, to copies: Folder) throws -> FilePath {
        let copy = "\(copies.path)/debian.img"
        let copying = Child.run(
            "/bin/cp", ["--reflink=auto", "--sparse=always", "\(try #require(folder))/debian.img", copy])
        try #require(copying.status == 0, "\(copying.errors)")
        return FilePath(copy)
    }

    /// Logs in at the console and returns at the prompt of a line that is wide enough for any command.
    static func logIn(to guest: TestMachine, within limit: Duration) async throws {
        try await guest.expect("debian login: ", within: limit)
        try guest.send("root\n")
        try await guest.expect("root@debian:~# ", within: limit)
        _ = try await LinuxSession.run("stty cols 500", in: guest, within: limit)
        // Bash would mark what it reads as text that is not pasted.
        _ = try await LinuxSession.run("bind 'set enable-bracketed-paste off'", in: guest, within: limit)
    }
}

extension Trait where Self == ConditionTrait {
    /// Skips, aloud, where Debian's disk was not built.
    static var needsDebian: Self {
        .enabled(
            if: DebianGuest.folder != nil, "boots Debian, which takes minutes: run scripts/test --long")
    }

    /// Skips, aloud, where nobody asked for it: it takes half an hour where guests' kernels are emulated.
    static var needsDebiansKernel: Self {
        .enabled(if: DebianGuest.stockFolder != nil, "Debian's own kernel: run scripts/test --long")
    }
}
