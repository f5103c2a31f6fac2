import TestSupport
import Testing

@testable import HostIO

@Suite struct DiskSpecificationTests {
    private func parse(_ text: String) throws -> DiskSpecification { try DiskSpecification(text) { UInt64($0) } }

    @Test func disksAreReadAndWritten() throws {
        var disk = DiskSpecification(.file(path: "/a b=c"))
        #expect(try parse("/a b=c") == disk)
        disk.isReadOnly = true
        disk.cache = .none
        disk.serial = "x,1"
        #expect(try parse("/a b=c,serial=x,,1,format=raw,cache=none,readonly") == disk)
        #expect(disk.description == "/a b=c,readonly,cache=none,serial=x,,1")
        let limited = try parse("size=4096,iops_max=9,bps=1000,iops=5")
        #expect(limited.rate.bytesPerSecond == 1000 && limited.rate.byteBurst == nil)
        #expect(limited.rate.operationsPerSecond == 5 && limited.rate.operationBurst == 9)
        #expect(limited.description == "size=4096,bps=1000,iops=5,iops_max=9")
        #expect(try parse("size=1000").source == .scratch(byteCount: 1024))
        #expect(try parse("size=4096,serial=s").serial == "s")
        #expect(try parse("a,,b,snapshot") == parse(parse("a,,b,snapshot").description))
        #expect(try parse("a,,b").source == .file(path: "a,b"))
    }

    static let mistakes: [(String, DiskSpecificationError.Reason)] = [
        ("", .noPath), (",readonly", .noPath), ("a\0b", .nulInPath), ("a,", .unknownOption("")),
        ("a,ro", .unknownOption("ro")), ("a,readonly=yes", .unknownOption("readonly=yes")),
        ("a,cache", .unknownOption("cache")),
        ("a,readonly,readonly", .repeatedOption("readonly")), ("a,cache=none,cache=none", .repeatedOption("cache=")),
        ("a,cache=writethrough", .unknownCache("writethrough")), ("a,format=qcow2", .unknownFormat("qcow2")),
        ("a,serial=", .unusableSerial("")), ("a,serial=\u{e9}", .unusableSerial("\u{e9}")),
        ("a,serial=123456789012345678901", .unusableSerial("123456789012345678901")),
        ("size=", .unusableSize("")), ("size=511", .unusableSize("511")),
        ("size=99999999999999", .unusableSize("99999999999999")),
        ("size=4096,readonly", .notForScratch("readonly")), ("size=4096,cache=none", .notForScratch("cache=none")),
        ("a,bps=0", .unusableRate(.unusable("bps=0"))), ("a,iops=-1", .unusableRate(.unusable("iops=-1"))),
        ("a,iops=18446744073709551616", .unusableRate(.unusable("iops=18446744073709551616"))),
        ("a,bps_max=", .unusableRate(.unusable("bps_max="))), ("a,bps", .unknownOption("bps")),
        ("a,bps=1,bps=1", .repeatedOption("bps=")),
        ("a,bps_max=5", .unusableRate(.burstWithoutRate(missing: "bps="))),
        ("a,bps=5,iops_max=5", .unusableRate(.burstWithoutRate(missing: "iops="))),
    ]

    @Test(arguments: mistakes)
    func mistakesAreNamed(_ text: String, _ reason: DiskSpecificationError.Reason) {
        #expect(throws: DiskSpecificationError(text: text, reason: reason)) { try parse(text) }
        let line = DiskSpecificationError(text: text, reason: reason).description
        #expect(!line.contains("\n") && line.count > 20)
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func anythingIsReadAsItIsWritten(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let parts = [
            "a", ",", ",,", "=", "size=", "512", "readonly", "snapshot", "cache=none", "serial=", "\u{301}", "/",
            ",bps=7",
            ",bps_max=9", ",iops=3",
        ]
        for _ in 0..<500 {
            let text = (0..<Int.random(in: 0...8, using: &random)).map { _ in parts.randomElement(using: &random) ?? ""
            }.joined()
            guard let disk = try? parse(text) else { continue }
            #expect((try? parse(disk.description)) == disk, "\(text)")
        }
    }
}
