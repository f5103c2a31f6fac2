import Testing

@testable import Caisson

@Suite struct StatisticsTests {
    private static func example(_ factor: UInt64) -> VirtualMachineStatistics {
        var first = VirtualMachineStatistics.Processor()
        first.cpuTime = .milliseconds(250 * factor)
        first.portAccesses = 12 * factor
        first.repairs = 123_456 * factor
        first.kernel = .init()
        first.kernel?.halts = 7 * factor
        var second = first
        if factor == 1 { second.kernel = nil }
        var queue = VirtualMachineStatistics.Queue()
        queue.notifications = 3 * factor
        queue.requests = 40 * factor
        queue.bytes = 5_000_000 * factor
        queue.interrupts = 1 * factor
        return VirtualMachineStatistics(
            uptime: .seconds(factor), processors: [first, second],
            devices: [.init(name: "disk /a/very/long/path/to/an/image", queues: [queue, queue])],
            memory: .init(size: 128 << 20, resident: 45 << 20, proportional: 44 << 20, proportionalBeside: 4_404_019),
            processCPUTime: .milliseconds(600 * factor))
    }

    @Test func aDifferenceIsWhatWasDoneInBetween() {
        let change = Self.example(3).since(Self.example(1))
        var expected = Self.example(2)
        // One look told nothing of it.
        expected.processors[1].kernel = nil
        #expect(change == expected)
    }

    @Test func aLookBeforeTheDevicesWereThereCounts() {
        var early = Self.example(1)
        early.devices[0].queues = []
        early.processors = []
        let change = Self.example(3).since(early)
        #expect(change.devices == Self.example(3).devices && change.processors == Self.example(3).processors)
    }

    @Test func theTableTellsRates() {
        let lines = StatisticsTable(Self.example(3).since(Self.example(1)), name: "m").text.split(separator: "\n")
        #expect(
            lines == [
                "[m, in a second:]",
                "  vCPU      CPU   ports  memory   kicks repairs   exits   halts   wakes    irqs",
                "  0         25%      12       0       0  123.5k       0       7       0       0",
                "  1         25%      12       0       0  123.5k       -       -       -       -",
                "  device                           notified   requests      bytes interrupts",
                "  …/a/very/long/path/to/an/image          6         80        10M          2",
                "  other threads use 10% of a processor",
                "  of 128M of memory 45M are held, and 4.2M beside it",
            ])
    }

    @Test(arguments: [
        (0.0, "0"), (0.04, "0"), (1, "1"), (2.25, "2.3"), (9_999, "9999"), (10_000, "10k"), (12_345_678, "12.3M"),
        (5e12, "5000G"),
    ])
    func ratesAreShort(rate: Double, text: String) { #expect(StatisticsTable.decimal(rate) == text) }

    @Test func aMachineThatNeverStartedHasNone() throws {
        let machine = try VirtualMachine(
            configuration: VirtualMachineConfiguration(bootLoader: LinuxBootLoader(kernel: "vmlinux")))
        #expect(machine.statistics == nil)
    }
}
