import Caisson
import Foundation
import Glibc
import KVM
import TestSupport
import Testing

/// What a running machine tells of itself.
@Suite(.serialized, .needsKVM, .timeLimit(.minutes(2)))
struct StatisticsTests {
    private static let code = GuestCode.print("A", count: 1000) + GuestCode.print("B")

    @Test func countsAreRight() async throws {
        let guest = try TestMachine(kernel: TestKernel.multiboot(Self.code + GuestCode.spin)) {
            $0.storageDevices = [.init(attachment: ScratchStorageDeviceAttachment(size: 1 << 20))]
            $0.cpuCount = 2
        }
        try await guest.machine.start()
        try await guest.expect("B")
        let first = try #require(guest.machine.statistics)
        #expect(first.processors.count == 2 && first.devices.count == 1)
        #expect(first.processors[0].portAccesses == 1001)
        #expect(first.processors[1].portAccesses == 0)
        #expect(first.devices[0].queues.map(\.requests) == [0, 0])
        let memory = try #require(first.memory)
        #expect(memory.size == 64 << 20 && memory.proportionalBeside > 0)
        #expect((4096...UInt64(1 << 20)).contains(memory.resident))

        try await Task.sleep(for: .milliseconds(300))
        let second = try #require(guest.machine.statistics)
        let change = second.since(first)
        #expect(change.uptime >= .milliseconds(300))
        #expect(change.processors[0].portAccesses == 0)
        // It spins, and the other one has not begun.
        #expect(change.processors[0].cpuTime > change.processors[1].cpuTime)
        #expect(change.processors[0].cpuTime > .milliseconds(10) && change.processors[0].cpuTime <= change.uptime)
        #expect(try #require(second.processors[0].kernel).exits >= 1001)

        // A processor that spins leaves the guest for nothing else.
        try await guest.machine.pause()
        #expect(try #require(guest.machine.statistics).since(second).processors[0].interruptions >= 1)

        try await guest.machine.stop()
        // What it was is known afterwards.
        let last = try #require(guest.machine.statistics)
        #expect(last.memory == nil && last.processors[0].portAccesses == 1001)
        #expect(last.processors[0].cpuTime >= second.processors[0].cpuTime)
        #expect(try #require(last.processors[0].kernel).exits >= #require(second.processors[0].kernel).exits)
    }

    @Test func countsGoOnOverResets() async throws {
        let guest = try TestMachine(
            kernel: TestKernel.multiboot(GuestCode.print("R") + GuestCode.write(0xfe, to: 0x64) + GuestCode.spin)
        ) { $0.restartsOnReset = true }
        try await guest.machine.start()
        try await guest.expect("RRRR")
        try await guest.machine.stop()
        #expect(try #require(guest.machine.statistics).processors[0].portAccesses >= 8)
    }

    /// Whatever the thread did before.
    @Test func aVCPUBeginsWithoutCPUTime() throws {
        let begin = clock()
        while clock() - begin < 200_000 {}
        let machine = try BareMachine()
        let vcpu = try machine.makeVCPU()
        #expect(try #require(vcpu.kick.cpuTime) < 200_000_000)
    }

    private static func records(_ folder: Folder) throws -> [[String: Any]] {
        let text = try String(contentsOfFile: "\(folder.path)/s.json", encoding: .utf8)
        #expect(text.hasSuffix("\n"))
        return try text.split(separator: "\n").map { line in
            try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        }
    }

    @Test(arguments: [true, false]) func theCommandRecords(isStoppedBySignal: Bool) async throws {
        let end = isStoppedBySignal ? GuestCode.spin : GuestCode.powerOff
        let run = try CommandRun(Self.code + end, ["--stats-json", "s.json", "--disk", "size=1M", "--network", "none"])
        if isStoppedBySignal {
            #expect(run.output?.receive(until: "B").count == 1001)
            try await Task.sleep(for: .milliseconds(2500))
            kill(run.process.id, SIGTERM)
        }
        #expect(run.status() == (isStoppedBySignal ? 128 + SIGTERM : 0))
        let records = try Self.records(run.folder)
        #expect(records.count >= (isStoppedBySignal ? 3 : 1))
        let uptimes = records.compactMap { $0["uptime"] as? UInt64 }
        #expect(uptimes.count == records.count && uptimes == uptimes.sorted())
        let last = try #require(records.last)
        let processors = try #require(last["processors"] as? [[String: Any]])
        #expect(processors.count == 1 && processors[0]["portAccesses"] as? Int ?? 0 >= 1001)
        let devices = try #require(last["devices"] as? [[String: Any]])
        #expect(devices.map { $0["name"] as? String } == ["scratch disk", "entropy device"])
        #expect(last["memory"] is NSNull)
        if isStoppedBySignal {
            let memory = try #require(records[0]["memory"] as? [String: Any])
            #expect(memory["size"] as? Int == 32 << 20)
        }
        #expect(run.errors == "")
    }

    @Test func aFileThatCannotBeMadeIsNamed() throws {
        let run = try CommandRun(GuestCode.powerOff, ["--stats-json", "none/s.json"])
        #expect(run.status() == 1)
        #expect(run.errors == "caisson: cannot write the statistics to none/s.json: No such file or directory\n")
    }
}
