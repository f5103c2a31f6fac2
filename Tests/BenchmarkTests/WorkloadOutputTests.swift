import TestSupport
import Testing

@testable import Benchmark

@Suite struct WorkloadOutputTests {
    @Test func readsWhatProgramsPrint() throws {
        let list = try WorkloadOutput.workloads("integer\tcompute\tSHA-256, and primes\nfsync\tfiles\ta write\n")
        #expect(
            list == [
                Workload(name: "integer", group: "compute", summary: "SHA-256, and primes"),
                Workload(name: "fsync", group: "files", summary: "a write"),
            ])
        let readings = try WorkloadOutput.readings("rate\t1.5e+06\t1/s\thigher\r\ntime\t0\tµs\tlower\r\n")
        #expect(
            readings == [
                Reading(metric: Metric(name: "rate", unit: "1/s", better: .higher), value: 1_500_000),
                Reading(metric: Metric(name: "time", unit: "µs", better: .lower), value: 0),
            ])
    }

    static let badReadings: [(String, String)] = [
        ("", "it printed no metric"),
        ("rate 5 1/s higher", "'rate 5 1/s higher' is no metric, value, unit and direction with tabs between"),
        ("rate\tfive\t1/s\thigher", "'rate five 1/s higher' is no metric, value, unit and direction with tabs between"),
        ("rate\tinf\t1/s\thigher", "'rate inf 1/s higher' is no metric, value, unit and direction with tabs between"),
        ("rate\tnan\t1/s\thigher", "'rate nan 1/s higher' is no metric, value, unit and direction with tabs between"),
        ("rate\t-1\t1/s\thigher", "'rate -1 1/s higher' is no metric, value, unit and direction with tabs between"),
        ("rate\t0x10\t1/s\thigher", "'rate 0x10 1/s higher' is no metric, value, unit and direction with tabs between"),
        ("rate\t1e99\t1/s\thigher", "'rate 1e99 1/s higher' is no metric, value, unit and direction with tabs between"),
        ("rate\t5\t1/s\tbest", "'rate 5 1/s best' is no metric, value, unit and direction with tabs between"),
        ("rate\t5\t1/s\thigher\nrate\t6\t1/s\thigher", "the metric 'rate' is there twice"),
    ]

    @Test(arguments: badReadings)
    func refusesOtherOutput(_ text: String, _ message: String) {
        #expect(throws: WorkloadOutput.Problem(message: message)) { try WorkloadOutput.readings(text) }
    }

    @Test(arguments: [
        ("a\tb", "'a b' is no name, group and description with tabs between"),
        ("a b\tc\td", "'a b c d' is no name, group and description with tabs between"),
        ("../x\tc\td", "'../x c d' is no name, group and description with tabs between"),
        ("a\tc\td\na\tc\te", "the workload 'a' is listed twice"),
    ])
    func refusesOtherLists(_ text: String, _ message: String) {
        #expect(throws: WorkloadOutput.Problem(message: message)) { try WorkloadOutput.workloads(text) }
    }

    @Test func anyOutputIsReadOrRefused() {
        var generator = SeededGenerator(seed: 9)
        let pieces = ["rate", "\t", "\n", "1", ".", "e", "-", "higher", "lower", "µs", "\u{0}", "\r\n", "9999999999"]
        for _ in 0..<5000 {
            let text = (0..<Int.random(in: 0...12, using: &generator)).map { _ in
                pieces.randomElement(using: &generator) ?? ""
            }
            guard let readings = try? WorkloadOutput.readings(text.joined()) else { continue }
            #expect(readings.allSatisfy { Samples([$0.value]) != nil })
        }
    }
}
