import Caisson
import TestSupport
import Testing

@testable import CaissonCLI
@testable import CaissonOptions

@Suite struct MachineStatusTests {
    static var status: MachineStatus {
        let kernel = MachineDescription.FileReference(descriptor: 3, path: "/boot/a\tkernel")
        var description = MachineDescription(name: "web-1", kernel: kernel, memorySize: 512 << 20)
        description.processorCount = 2
        var status = MachineStatus(of: description, state: .running, uptime: .milliseconds(61_500))
        status.process = 4711
        return status
    }

    @Test func lineIsReadBack() throws {
        var status = Self.status
        status.command = "sh -c 'a=b'\n\u{1b}[2J=\u{9b}é"
        let read = try #require(MachineStatus(line: status.line + "\tlater=1"))
        // Nothing moves a terminal's cursor.
        #expect(read.guest == "/boot/a kernel" && read.command == "sh -c 'a=b'  [2J= é")
        status.guest = read.guest
        status.command = read.command
        #expect(read == status)
    }

    /// What a process can be given as arguments is more than an answer holds.
    @Test func longCommandsAreCut() throws {
        var status = Self.status
        status.command = String(repeating: "é", count: 200_000)
        let read = try #require(MachineStatus(line: status.line))
        #expect(status.line.utf8.count < 10_000)
        #expect(read.command.hasPrefix("éé") && read.command.hasSuffix("é…"))
    }

    @Test func everyAddressFits() throws {
        let space = String(repeating: "s", count: MachineStatus.longestSpace)
        let name = String(repeating: "n", count: MachineDescription.longestName)
        #expect("caisson/\(UInt32.max):\(space)/\(name)".utf8.count == 107)
    }

    @Test(arguments: ["name", "process", "state", "uptime", "processors", "memory"]) func isWhole(_ key: String) {
        let fields = Self.status.line.split(separator: "\t")
        let others = fields.filter { !$0.hasPrefix("\(key)=") }
        #expect(others.count == fields.count - 1)
        #expect(MachineStatus(line: others.joined(separator: "\t")) == nil)
    }

    @Test func damagedLinesAreRefused() {
        var random = SeededGenerator(seed: 7)
        let line = Array(Self.status.line.unicodeScalars)
        for _ in 0..<5000 {
            var damaged = line
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                damaged[Int.random(in: damaged.indices, using: &random)] = Unicode.Scalar(
                    UInt8.random(in: 0...255, using: &random))
            }
            guard let read = MachineStatus(line: String(String.UnicodeScalarView(damaged))) else { continue }
            #expect(MachineDescription.isName(read.name) && read.process > 0 && read.processorCount > 0)
            #expect(!read.guest.unicodeScalars.contains { $0.value < 0x20 })
        }
    }

    @Test func tableHasAColumnForEach() {
        var first = Self.status
        first.guest = "/boot/kernel"
        var second = first
        second.name = "machine-123456"
        second.guest = "debian"
        second.command = "make test"
        second.uptime = .seconds(2 * 86400 + 3 * 3600 + 5)
        #expect(
            ListCommand.table([first, second])
                == """
                NAME            PROCESS  STATE    CPUS  MEMORY  UP    GUEST
                web-1           4711     running  2     512M    1m1s  /boot/kernel
                machine-123456  4711     running  2     512M    2d3h  debian: make test
                """)
        #expect(ListCommand.table([]) == "NAME  PROCESS  STATE  CPUS  MEMORY  UP  GUEST")
    }

    @Test func agesHaveTwoUnits() {
        let ages: [(Int64, String)] = [
            (0, "0s"), (59, "59s"), (60, "1m0s"), (3599, "59m59s"), (3600, "1h0m"), (86399, "23h59m"), (86400, "1d0h"),
        ]
        for (seconds, text) in ages { #expect(ListCommand.age(.seconds(seconds)) == text) }
    }

    @Test func stopTakesATime() throws {
        #expect(try StopCommand.milliseconds("0") == 0)
        #expect(try StopCommand.milliseconds("1m30s") == 90_000)
        for text in ["", "x", "-1s", "100d"] {
            #expect(throws: CommandError.self) { try StopCommand.milliseconds(text) }
        }
    }
}
