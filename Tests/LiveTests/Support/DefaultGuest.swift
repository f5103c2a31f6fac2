import Caisson
import Foundation
import SystemPackage
import Testing

/// The guest that `guest-images/build` makes.
enum DefaultGuest {
    /// Its folder: CAISSON_TEST_GUEST, or where `caisson run` looks.
    static let folder: String? = {
        let environment = ProcessInfo.processInfo.environment
        let home = environment["HOME"] ?? "/"
        let cache = environment["CAISSON_CACHE"] ?? "\(environment["XDG_CACHE_HOME"] ?? "\(home)/.cache")/caisson"
        let folder = environment["CAISSON_TEST_GUEST"] ?? "\(cache)/guest/default"
        return FileManager.default.fileExists(atPath: "\(folder)/vmlinux") ? folder : nil
    }()

    static func loader(_ words: String = "") throws -> LinuxBootLoader {
        let folder = try #require(folder)
        return LinuxBootLoader(
            kernel: FilePath("\(folder)/vmlinux"), initialRamdisk: FilePath("\(folder)/initramfs.cpio"),
            commandLine: "quiet TERM=dumb LINES=50 COLUMNS=2000 \(words)")
    }
}

extension Trait where Self == ConditionTrait {
    /// Skips, aloud, where the default guest was not built.
    static var needsDefaultGuest: Self {
        .enabled(if: DefaultGuest.folder != nil, "needs the default guest: run guest-images/build")
    }
}
