import Glibc
import TestSupport
import Testing

/// A file with a small root file system: busybox, a shell and some users.
struct RootImage {
    let folder = Folder()
    let path: String

    /// - Parameter type: `erofs`, `squashfs` or `ext4`.
    init(_ type: String) throws {
        let root = folder.folder("root")
        let script = """
            set -e
            cd "$1"
            mkdir -p bin etc dev proc sys run home/builder
            mkdir -m 1777 tmp
            cp /bin/busybox bin/
            for name in sh ls cat echo id env sleep true false stty tty head mount ps date touch seq wc kill ip yes; do
                ln -s busybox bin/$name
            done
            printf 'root:x:0:0:root:/root:/bin/sh\\nbuilder:x:1000:1000::/home/builder:/bin/sh\\n' >etc/passwd
            printf 'root:x:0:\\nbuilder:x:1000:\\nwheel:x:10:builder\\n' >etc/group
            echo original >etc/note
            chown -R 1000:1000 home/builder
            case $2 in
            erofs) mkfs.erofs ../image . ;;
            squashfs) mksquashfs . ../image -quiet -no-progress ;;
            ext4) truncate -s 8M ../image; mke2fs -q -t ext4 -d . ../image ;;
            esac
            """
        let built = Child.run(
            "/bin/sh", ["-c", script, "sh", root, type], environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"])
        try #require(built.status == 0, "\(built.errors)")
        path = "\(folder.path)/image"
    }

    /// What tells whether the file is as it was.
    var sum: String { Child.run("/usr/bin/sha256sum", [path]).output }

    /// `caisson run` with this root file system.
    func run(
        _ options: [String] = [], _ command: [String], on terminal: TestTerminal? = nil
    ) throws -> CommandRun {
        let guest = try #require(DefaultGuest.folder)
        return try CommandRun(
            in: Folder(), ["--root", path] + options + ["--"] + command, on: terminal,
            environment: ["CAISSON_GUEST": guest])
    }
}

extension CommandRun {
    /// All that it writes to standard output, and its exit status.
    func finish(within limit: Duration = .seconds(300)) -> (output: String, status: Int32?) {
        let deadline = ContinuousClock.now + limit
        var bytes: [UInt8] = []
        while let output, ContinuousClock.now < deadline {
            let more = output.receive(1 << 16)
            bytes += more
            if more.isEmpty, process.ending(within: .zero) != nil { break }
        }
        return (String(decoding: bytes, as: UTF8.self), process.ending()?.status)
    }
}

private let tools = ["/usr/bin/mkfs.erofs", "/usr/bin/mksquashfs", "/sbin/mke2fs", "/bin/busybox"]

extension Trait where Self == ConditionTrait {
    /// Skips, aloud, where root file systems cannot be made.
    static var needsRootTools: Self {
        .enabled(
            if: tools.allSatisfy { access($0, X_OK) == 0 }, "needs what makes file systems: scripts/packages test")
    }

    /// Skips, aloud, where the default guest has no agent of its own.
    static var needsAgent: Self {
        .enabled(
            if: DefaultGuest.folder.map { access("\($0)/agent.cpio", R_OK) == 0 } ?? false,
            "needs the guest's agent: run guest-images/build")
    }
}
