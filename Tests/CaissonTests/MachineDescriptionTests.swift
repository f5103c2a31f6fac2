import HostIO
import Logging
import TestSupport
import Testing

@testable import Caisson

@Suite struct MachineDescriptionTests {
    static let example = [
        "name=web", "kernel=3:/boot/vmlinux", "ramdisk=4:a.cpio", "ramdisk=5:b=c:d.cpio", "append=quiet a=b",
        "memory=134217728", "backing=hugepages", "cpus=3", "cpu-quota=50%", "cpu-affinity=0,2,1",
        "console=pty:/tmp/tty", "console-port=file:/a,,b", "console-port=unix:/s,name=org.x",
        "disk=/a,,b,readonly,cache=none,serial=x", "disk=size=4096,bps=1000,iops=5,iops_max=50",
        "network=tap=vm0,mtu=9000", "network=link=/l,bps=1000,bps_max=5000,iops=7",
        "network=user,host-loopback,publish=127.0.0.1:8080:80", "balloon=67108864", "vsock=/s,,t,cid=7",
        "share=/a:b,c:/w x:ro", "share=src:/s/t:rw",
        "root=ext4,2,layer=1", "copy-in=1:3:a:b/w/", "copy-out=3:/o:x:y", "argument=sh", "argument=", "argument=a=b\n",
        "environment=A=b=c", "environment=E=",
        "workdir=/w", "user=me:us", "streams=both",
        "hardware=cmdline",
        "timeout=30000ms",
        "statistics=/tmp/a=b",
        "debug-exit=yes", "restart=no",
        "log-level=info",
    ]

    @Test func `words are read and written`() throws {
        let description = try MachineDescription(arguments: Self.example)
        #expect(description.name == "web")
        #expect(description.kernel == .init(descriptor: 3, path: "/boot/vmlinux"))
        #expect(
            description.ramdisks == [
                .init(descriptor: 4, path: "a.cpio"), .init(descriptor: 5, path: "b=c:d.cpio"),
            ])
        #expect(description.commandLine == .extendingDefaults(by: "quiet a=b"))
        #expect(description.memorySize == 128 << 20)
        #expect(description.memoryBacking == .hugePages)
        #expect(description.processorCount == 3 && description.cpuAffinity == [0, 2, 1])
        #expect(description.cpuQuota == 50)
        #expect(description.console == .pseudoterminal(link: "/tmp/tty"))
        #expect(
            description.consolePorts == [
                .init(.file(path: "/a,b")), .init(.socket(path: "/s"), name: "org.x"),
            ])
        #expect(
            description.disks.map(\.source) == [.file(path: "/a,b"), .scratch(byteCount: 4096)])
        #expect(description.disks[0].isReadOnly && description.disks[0].cache == .none)
        let user = try UserNetworkSpecification(options: ["host-loopback", "publish=127.0.0.1:8080:80"])
        #expect(description.networks.map(\.attachment) == [.tap(name: "vm0"), .link(path: "/l"), .user(user)])
        #expect(description.networks[1].rate.byteBurst == 5000)
        #expect(description.balloonTarget == 64 << 20)
        #expect(description.socket?.path == "/s,t" && description.socket?.cid == 7)
        #expect(description.shares.map(\.hostPath) == ["/a:b,c", "src"])
        #expect(description.shares.map(\.guestPath) == ["/w x", "/s/t"])
        #expect(description.shares.map(\.isReadOnly) == [true, false])
        #expect(description.rootFileSystem?.type == "ext4" && description.rootFileSystem?.partition == 2)
        #expect(description.rootFileSystem?.layerDisk == 1)
        #expect(description.copiedFiles == [CopiedFiles(disk: 1, name: "a:b", destination: "/w/")])
        #expect(description.copiesOut == [.init(source: "/o:", destination: "x:y")])
        var command = GuestCommand(["sh", "", "a=b\n"])
        command.environment = ["A": "b=c", "E": ""]
        command.workingDirectory = "/w"
        command.user = "me:us"
        command.terminal = .init(rows: 0, columns: 0)
        command.hasStandardInput = true
        #expect(description.command == command)
        #expect(description.hardware == .commandLine)
        #expect(description.timeout == .seconds(30))
        #expect(description.statisticsFile == "/tmp/a=b")
        #expect(description.debugExit)
        #expect(!description.restartsOnReset)
        #expect(description.logLevel == .info)
        #expect(description.arguments == Self.example)
    }

    /// Each replaces the word of its field, or is added to the others; an empty string removes the field.
    static let damages: [(String, MachineDescriptionError)] = [
        ("nonsense", .unknownWord("nonsense")),
        ("drive=x", .unknownWord("drive=x")),
        ("=x", .unknownWord("=x")),
        ("", .unknownWord("")),
        ("name=", .invalid("name", "", expected: "letters, digits, _ . and -")),
        ("name=a b", .invalid("name", "a b", expected: "letters, digits, _ . and -")),
        ("name=-a", .invalid("name", "-a", expected: "letters, digits, _ . and -")),
        ("name=\u{e4}", .invalid("name", "\u{e4}", expected: "letters, digits, _ . and -")),
        ("kernel=/vmlinux", .invalid("kernel", "/vmlinux", expected: "DESCRIPTOR:PATH")),
        ("kernel=-1:/vmlinux", .invalid("kernel", "-1:/vmlinux", expected: "DESCRIPTOR:PATH")),
        ("kernel=2147483648:k", .invalid("kernel", "2147483648:k", expected: "DESCRIPTOR:PATH")),
        ("kernel=3:", .invalid("kernel", "3:", expected: "DESCRIPTOR:PATH")),
        ("cpu-quota=50", .invalid("cpu-quota", "50", expected: "percent, as in 50%")),
        ("cpu-quota=0%", .invalid("cpu-quota", "0%", expected: "percent, as in 50%")),
        ("memory=0", .invalid("memory", "0", expected: "whole pages, at most 64 TiB")),
        ("memory=4097", .invalid("memory", "4097", expected: "whole pages, at most 64 TiB")),
        ("memory=-4096", .invalid("memory", "-4096", expected: "whole pages, at most 64 TiB")),
        (
            "memory=70368744181760",
            .invalid("memory", "70368744181760", expected: "whole pages, at most 64 TiB")
        ),
        (
            "memory=18446744073709551616",
            .invalid("memory", "18446744073709551616", expected: "whole pages, at most 64 TiB")
        ),
        ("backing=x", .invalid("backing", "x", expected: "a kind of memory with whole pages")),
        ("balloon=x", .invalid("balloon", "x", expected: "bytes, at most the memory's")),
        ("balloon=134217729", .invalid("balloon", "134217729", expected: "bytes, at most the memory's")),
        ("root=", .invalid("root", "", expected: "a root file system")),
        ("root=ext4,0", .invalid("root", "ext4,0", expected: "a root file system")),
        ("root=ext4,1,2", .invalid("root", "ext4,1,2", expected: "a root file system")),
        ("root=ext4,layer=0", .invalid("root", "ext4,layer=0", expected: "a root file system")),
        ("copy-in=2:1:a/b", .invalid("copy-in", "2:1:a/b", expected: "files on a disk")),
        ("copy-in=0:1:ab", .invalid("copy-in", "0:1:ab", expected: "files on a disk")),
        ("copy-in=0:0:/b", .invalid("copy-in", "0:0:/b", expected: "files on a disk")),
        ("copy-out=3:/o", .invalid("copy-out", "3:/o", expected: "two paths")),
        ("copy-out=1:ab", .invalid("copy-out", "1:ab", expected: "two paths")),
        ("environment==a", .invalid("environment", "=a", expected: "NAME=VALUE")),
        ("environment=a", .invalid("environment", "a", expected: "NAME=VALUE")),
        ("streams=all", .invalid("streams", "all", expected: "none, input, terminal or both")),
        ("hardware=fax", .invalid("hardware", "fax", expected: "auto, acpi, fdt or cmdline")),
        ("disk=", .invalid("disk", "", expected: "a disk")),
        ("vsock=", .invalid("vsock", "", expected: "a socket device")),
        ("vsock=s,cid=2", .invalid("vsock", "s,cid=2", expected: "a socket device")),
        ("share=/a", .invalid("share", "/a", expected: "a shared directory")),
        ("share=/a:b", .invalid("share", "/a:b", expected: "a shared directory")),
        ("disk=size=4G", .invalid("disk", "size=4G", expected: "a disk")),
        ("network=none", .invalid("network", "none", expected: "a network")),
        ("cpus=0", .invalid("cpus", "0", expected: "1 to 4096")),
        ("cpus=4097", .invalid("cpus", "4097", expected: "1 to 4096")),
        ("cpu-affinity=", .invalid("cpu-affinity", "", expected: "numbers of processors")),
        ("cpu-affinity=1,x", .invalid("cpu-affinity", "1,x", expected: "numbers of processors")),
        ("console=fax", .invalid("console", "fax", expected: "a console")),
        ("console-port=pty,name=", .invalid("console-port", "pty,name=", expected: "a console")),
        ("timeout=30", .invalid("timeout", "30", expected: "milliseconds, as in 30000ms")),
        ("timeout=0ms", .invalid("timeout", "0ms", expected: "milliseconds, as in 30000ms")),
        ("timeout=31536000001ms", .invalid("timeout", "31536000001ms", expected: "milliseconds, as in 30000ms")),
        ("statistics=", .invalid("statistics", "", expected: "a path")),
        ("debug-exit=1", .invalid("debug-exit", "1", expected: "yes or no")),
        ("restart=", .invalid("restart", "", expected: "yes or no")),
        ("log-level=loud", .invalid("log-level", "loud", expected: "a level of importance")),
    ]

    @Test(arguments: damages) func `a damaged word is refused`(word: String, error: MachineDescriptionError) {
        let field = word.prefix { $0 != "=" }
        let others = Self.example.filter { !$0.hasPrefix("\(field)=") }
        #expect(throws: error) { try MachineDescription(arguments: others + [word]) }
    }

    @Test(arguments: [
        "name", "kernel", "append", "memory", "backing", "cpus", "console", "hardware", "debug-exit", "restart",
        "log-level",
    ])
    func `each field is there once`(field: String) throws {
        let one = try #require(Self.example.first { $0.hasPrefix("\(field)=") })
        #expect(throws: MachineDescriptionError.missing(field)) {
            try MachineDescription(arguments: Self.example.filter { $0 != one })
        }
        #expect(throws: MachineDescriptionError.repeated(field)) {
            try MachineDescription(arguments: Self.example + [one])
        }
    }

    @Test func `a command says what its streams are`() {
        #expect(throws: MachineDescriptionError.missing("streams")) {
            try MachineDescription(arguments: Self.example.filter { !$0.hasPrefix("streams=") })
        }
    }

    @Test(arguments: ["none", "input", "terminal", "both"]) func `streams are read and written`(word: String) throws {
        let words = Self.example.map { $0.hasPrefix("streams=") ? "streams=\(word)" : $0 }
        #expect(try MachineDescription(arguments: words).arguments == words)
    }

    @Test func `there is one command line`() {
        #expect(throws: MachineDescriptionError.repeated("append")) {
            try MachineDescription(arguments: Self.example + ["cmdline=quiet"])
        }
    }

    @Test func `parts of milliseconds are rounded up`() throws {
        var description = try MachineDescription(arguments: Self.example)
        description.timeout = .nanoseconds(1_000_001)
        #expect(description.arguments.contains("timeout=2ms"))
        description.timeout = .seconds(Int64.max)
        #expect(description.arguments.contains("timeout=\(Int64.max)ms"))
    }

    @Test(arguments: 0..<50) func `any description survives its words`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<40 {
            let description = MachineDescription.random(using: &random)
            let words = description.arguments
            #expect(words.allSatisfy { !$0.utf8.contains(0) })
            let read = try MachineDescription(arguments: words.shuffled(keepingOrderOf: "ramdisk=", using: &random))
            #expect(read == description)
            // `==` takes strings for equal that differ in bytes.
            #expect(read.arguments.map { Array($0.utf8) } == words.map { Array($0.utf8) })
        }
    }

    @Test(arguments: 0..<20) func `damaged words never trap`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            var words = Self.example.map { Array($0.utf8) }
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let word = Int.random(in: 0..<words.count, using: &random)
                guard !words[word].isEmpty else { continue }
                let byte = Int.random(in: 0..<words[word].count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: words[word][byte] = UInt8.random(in: 1...255, using: &random)
                case 1: words[word].remove(at: byte)
                case 2: words[word].insert(contentsOf: "9999999999".utf8, at: byte)
                default: words[word].removeSubrange(byte...)
                }
            }
            let texts = words.map { String(decoding: $0, as: UTF8.self) }
            guard let description = try? MachineDescription(arguments: texts) else { continue }
            #expect(MachineDescription.memorySizes.contains(description.memorySize))
            #expect(MachineDescription.processorCounts.contains(description.processorCount))
            #expect(MachineDescription.isName(description.name))
            #expect((try? MachineDescription(arguments: description.arguments)) == description)
        }
    }
}

extension MachineDescription {
    fileprivate static func random(using random: inout SeededGenerator) -> MachineDescription {
        let pieces = [
            "a", "Z", "=", ":", "/", " ", "\n", "\"", "'", "\\", "ä", "\u{301}", "\u{338}", "🚢", "\u{7f}", "\u{1}",
        ]
        func text(_ lengths: ClosedRange<Int>) -> String {
            (0..<Int.random(in: lengths, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }
                .joined()
        }
        func file() -> FileReference {
            FileReference(descriptor: .random(in: 0...Int32.max, using: &random), path: text(1...12))
        }
        let firsts = "abcXYZ019"
        let name =
            "\(firsts.randomElement(using: &random) ?? "a")\(["", ".", "-b", "_9"].randomElement(using: &random) ?? "")"
        let pages = UInt64.random(in: 1...memorySizes.upperBound / pageSize, using: &random)
        var result = MachineDescription(name: name, kernel: file(), memorySize: pages * pageSize)
        result.ramdisks = (0..<Int.random(in: 0...3, using: &random)).map { _ in file() }
        result.commandLine =
            Bool.random(using: &random) ? .extendingDefaults(by: text(0...20)) : .replacingDefaults(by: text(0...20))
        result.memoryBacking =
            MemoryBackingMode.allCases.filter { result.memorySize % $0.pageSize == 0 }.randomElement(using: &random)
            ?? .anonymous
        result.processorCount = .random(in: processorCounts, using: &random)
        result.statisticsFile = Bool.random(using: &random) ? text(1...9) : nil
        result.cpuQuota = Bool.random(using: &random) ? .random(in: cpuQuotas, using: &random) : nil
        result.console =
            [
                .terminal, .file(path: text(1...9)), .pseudoterminal(link: nil), .pseudoterminal(link: text(1...9)),
                .socket(path: text(1...9)), .none,
            ].randomElement(using: &random) ?? .none
        result.balloonTarget = Bool.random(using: &random) ? nil : .random(in: 0...result.memorySize, using: &random)
        result.timeout =
            Bool.random(using: &random) ? nil : .milliseconds(Int.random(in: 1...31_536_000_000, using: &random))
        result.debugExit = .random(using: &random)
        result.restartsOnReset = .random(using: &random)
        result.logLevel = Logger.Level.allCases.randomElement(using: &random) ?? .info
        return result
    }
}

extension [String] {
    /// In any order, but those with `prefix` among themselves as they were.
    fileprivate func shuffled(keepingOrderOf prefix: String, using random: inout SeededGenerator) -> [String] {
        var kept = filter { $0.hasPrefix(prefix) }[...]
        return shuffled(using: &random).map { $0.hasPrefix(prefix) ? kept.removeFirst() : $0 }
    }
}
