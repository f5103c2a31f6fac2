import HostIO
import Testing

@testable import CaissonCLI
@testable import CaissonOptions

@Suite struct ValueTests {
    @Test(
        arguments: [
            ("0", [0]), ("3,1", [3, 1]), ("0-3", [0, 1, 2, 3]), ("5,0-1,5", [5, 0, 1, 5]), ("7-7", [7]),
            ("1023", [1023]),
        ] as [(String, [Int])])
    func `lists of processors are read`(text: String, processors: [Int]) {
        #expect(ProcessorList(parsing: text)?.processors == processors)
    }

    @Test(
        arguments: [
            "", ",", "1,", ",1", "1,,2", "-1", "1-", "3-2", "1-2-3", "+1", "0x1", "1 2", "a", "1024", "0-1024", "0-7:2",
            "٣",
            "0-1023,0", "99999999999999999999",
        ])
    func `what is no list of processors is refused`(text: String) {
        #expect(ProcessorList(parsing: text) == nil)
    }

    @Test(
        arguments: [
            ("0", 0), ("1", 1), ("4096", 4096), ("1k", 1024), ("1K", 1024), ("1KB", 1024), ("1KiB", 1024),
            ("1kib", 1024),
            ("512M", 512 << 20), ("512mb", 512 << 20), ("1.5G", 1536 << 20), ("0.25g", 256 << 20), ("2T", 2 << 40),
            ("0.0001K", 1), ("1.000000001G", (1 << 30) + 2), ("007M", 7 << 20),
            ("18446744073709551615", UInt64.max), ("16777215T", 16_777_215 << 40),
        ] as [(String, UInt64)])
    func `sizes are read`(text: String, bytes: UInt64) {
        #expect(ByteSize(parsing: text)?.bytes == bytes)
    }

    @Test(
        arguments: [
            "", "M", "-1", "+1", "1,5G", "1.", ".5G", "1..5G", "1.5.5G", "1 G", " 1G", "1G ", "0x10", "1e3", "1Gi",
            "1MM",
            "1B", "1P", "٣M", "1\u{301}M", "M1", "1GiBi", "18446744073709551616", "16777216T", "99999999999999999999T",
            "99999999999999999999999999999", "1.99999999999999999999999999999G", "\0", "1\0",
        ])
    func `what is no size is refused`(text: String) {
        #expect(ByteSize(parsing: text) == nil)
    }

    @Test(
        arguments: [
            (0, "0"), (1, "1"), (1023, "1023"), (1024, "1K"), (1025, "1025"), (32 << 20, "32M"), (1536 << 20, "1536M"),
            (24_683_728_896, "22G"), (1 << 40, "1T"), (UInt64.max, "17179869183G"),
        ] as [(UInt64, String)])
    func `sizes are told`(bytes: UInt64, text: String) {
        #expect("\(ByteSize(bytes))" == text)
    }

    @Test(
        arguments: [
            ("30", 30_000), ("0.5", 500), ("30s", 30_000), ("500ms", 500), ("5m", 300_000), ("1h", 3_600_000),
            ("2d", 172_800_000), ("1h30m", 5_400_000), ("1m30s", 90_000), ("1m500ms", 60_500), ("1.5s", 1500),
            ("0.0001s", 1), ("0", 0), ("1s1s", 2000), ("18446744073709551615ms", UInt64.max),
        ] as [(String, UInt64)])
    func `times are read`(text: String, milliseconds: UInt64) {
        #expect(TimeSpan(parsing: text)?.milliseconds == milliseconds)
    }

    @Test(
        arguments: [
            "", "s", "-1s", "+1s", "1x", "1 s", "1sec", "1S", "1s ", "1m30", "30 ", "1.s", ".5s", "1us",
            "18446744073709551616ms",
            "18446744073709551615ms1ms", "99999999999999999999d", "9999999999999999999999999999d", "1\u{301}s",
        ])
    func `what is no time is refused`(text: String) {
        #expect(TimeSpan(parsing: text) == nil)
    }

    @Test(
        arguments: [
            ("xterm-256color", (80, 24), ["TERM=xterm-256color", "LINES=24", "COLUMNS=80"]),
            ("screen.linux_+", (0, 0), ["TERM=screen.linux_+"]),
            (nil, (132, 50), ["LINES=50", "COLUMNS=132"]),
            ("", (80, 0), []),
            ("x init=/bin/sh", (80, 24), ["LINES=24", "COLUMNS=80"]),
            ("x\"", (0, 24), []),
            ("x\n", (0, 24), []),
            ("xtérm", (0, 24), []),
            (String(repeating: "x", count: 49), (0, 24), []),
        ] as [(String?, (Int, Int), [String])])
    func `the guest learns of the terminal`(type: String?, size: (Int, Int), words: [String]) {
        #expect(TerminalWords.words(type: type, size: (columns: size.0, rows: size.1)) == words)
    }
}
