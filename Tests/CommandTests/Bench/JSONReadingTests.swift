import TestSupport
import Testing

@testable import Benchmark
@testable import CaissonCLI
@testable import CaissonOptions

@Suite struct JSONReadingTests {
    static let values: [(String, JSONValue)] = [
        ("null", .null), (" true\n", .bool(true)), ("false", .bool(false)), ("0", .integer(0)),
        ("18446744073709551615", .integer(.max)),
        ("18446744073709551616", .number(18_446_744_073_709_551_616)), ("-1", .number(-1)), ("1.5e3", .number(1500)),
        ("1E-2", .number(0.01)), ("[]", .array([])), ("[1, [2]]", .array([.integer(1), .array([.integer(2)])])),
        ("{}", .object([])),
        ("{\"a\": {\"b\":null}}", .object([("a", .object([("b", .null)]))])), ("\"é☃\"", .string("é☃")),
        (#""\"\\\/\b\f\n\r\t""#, .string("\"\\/\u{8}\u{c}\n\r\t")), (#""\u00e9\ud83d\ude00""#, .string("é😀")),
    ]

    @Test(arguments: values) func reads(_ text: String, _ value: JSONValue) throws {
        #expect(try JSONValue(reading: text) == value)
    }

    @Test(arguments: [
        "", "nul", "01", "-", "+1", ".5", "1.", "1e", "1e999", "-01", "[1,]", "[1 2]", "[", "{\"a\" 1}", "{\"a\":1,}",
        "{a:1}", "{\"a\":1",
        "\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\n\"",
        "1 2", "{\"a\":1,\"a\":2}",
        "'a'", "NaN", "Infinity", "tru", "//", "\u{feff}1",
    ]) func refuses(_ text: String) {
        #expect(throws: JSONProblem.self) { try JSONValue(reading: text) }
    }

    @Test func tellsTheLine() {
        #expect(throws: JSONProblem(message: "there is no value here", line: 3)) { try JSONValue(reading: "[\n1,\nx]") }
    }

    @Test func depthIsLimited() {
        let deep = String(repeating: "[", count: JSONValue.deepest) + String(repeating: "]", count: JSONValue.deepest)
        #expect(throws: Never.self) { try JSONValue(reading: deep) }
        #expect(throws: JSONProblem.self) { try JSONValue(reading: "[" + deep + "]") }
        #expect(throws: JSONProblem.self) { try JSONValue(reading: String(repeating: "[{\"a\":", count: 100_000)) }
    }

    @Test func whatIsWrittenIsRead() throws {
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<500 {
            let value = Self.random(4, &generator)
            #expect(try JSONValue(reading: value.text) == value)
            #expect(try JSONValue(reading: value.line) == value)
        }
    }

    private static func random(_ depth: Int, _ generator: inout SeededGenerator) -> JSONValue {
        func text() -> String {
            let pieces = ["a", "\"", "\\", "\n", "\u{1}", "é", "😀", "/", "\u{7f}"]
            return (0..<Int.random(in: 0...4, using: &generator)).map { _ in
                pieces.randomElement(using: &generator) ?? ""
            }.joined()
        }
        switch Int.random(in: 0...(depth > 0 ? 6 : 4), using: &generator) {
        case 0: return .null
        case 1: return .bool(.random(using: &generator))
        case 2: return .integer(.random(in: 0...UInt64.max, using: &generator))
        case 3: return .number(.random(in: -1...1, using: &generator) * 1e30)
        case 4: return .string(text())
        case 5: return .array((0..<Int.random(in: 0...3, using: &generator)).map { _ in random(depth - 1, &generator) })
        default:
            return .object(
                (0..<Int.random(in: 0...3, using: &generator)).map { ("\($0)\(text())", random(depth - 1, &generator)) }
            )
        }
    }

    /// Whatever becomes of a document's bytes, it is read or refused.
    @Test func damagedDocumentsAreReadOrRefused() throws {
        var generator = SeededGenerator(seed: 8)
        let document = Array(Self.report.json.text.utf8)
        var refused = 0
        for round in 0..<1000 {
            var bytes = document
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let place = bytes.indices.randomElement(using: &generator) ?? 0
                switch Int.random(in: 0...3, using: &generator) {
                case 0: bytes[place] = .random(in: 0...255, using: &generator)
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(Array("[]{}\",:0e-.".utf8).randomElement(using: &generator) ?? 0, at: place)
                default: bytes.removeSubrange(place...)
                }
                if bytes.isEmpty { break }
            }
            do {
                let report = try BenchmarkReport(json: JSONValue(reading: String(decoding: bytes, as: UTF8.self)))
                // What is read can be shown.
                if round % 20 == 0 { #expect(!report.text.isEmpty) }
            } catch { refused += 1 }
        }
        #expect(refused > 100)
    }

    /// Whatever takes the place of a value, the report is read or refused with the value's place.
    @Test func otherValuesAreReadOrRefused() {
        let others: [JSONValue] = [
            .null, .bool(true), .integer(.max), .number(-0.5), .string("x"), .array([]), .object([]),
        ]
        for index in 0..<100 {
            for other in others {
                var count = 0
                let document = Self.replacing(Self.report.json, index, other, &count)
                do throws(JSONMismatch) {
                    let report = try BenchmarkReport(json: document)
                    if index % 10 == 0 { #expect(!Comparison(report, Self.report).text.isEmpty) }
                } catch { #expect(!error.expected.isEmpty) }
            }
        }
    }

    /// The document with the value that is met as number `index` replaced.
    private static func replacing(_ value: JSONValue, _ index: Int, _ other: JSONValue, _ count: inout Int) -> JSONValue
    {
        count += 1
        if count == index + 1 { return other }
        switch value {
        case .array(let values): return .array(values.map { replacing($0, index, other, &count) })
        case .object(let members): return .object(members.map { ($0.key, replacing($0.value, index, other, &count)) })
        default: return value
        }
    }

    static var report: BenchmarkReport {
        let metric = Metric(name: "time \"x\"", unit: "µs", better: .lower)
        func series(_ engine: String, _ values: [Double]) -> [BenchmarkReport.Series] {
            Samples(values).map { [.init(workload: "start", engine: engine, metric: metric, samples: $0)] } ?? []
        }
        return BenchmarkReport(
            setup: .init(
                begin: "2026-11-28 01:02:03 UTC", rounds: 3, warmups: 0, processors: [0, 3], memory: 1 << 40,
                isQuick: true),
            host: [.init("kernel", "Linux\n6.18")], isSoftwareKVM: nil,
            engines: [
                .init(id: "process", title: "process", kind: .process),
                .init(id: "qemu", title: "QEMU", kind: .machine, version: "7", notes: ["a"]),
            ],
            omissions: [.init(engine: "crun", reason: "gone")],
            workloads: [Workload(name: "start", group: "g", summary: "s")],
            series: series("process", [1, 0.1 + 0.2, 1e-12]) + series("qemu", [0, 5e17, 7]),
            failures: [.init(workload: "w", engine: "qemu", problem: "p")])
    }

    @Test func aReportIsReadAsItWas() throws {
        #expect(try BenchmarkReport(json: JSONValue(reading: Self.report.json.text)) == Self.report)
        var other = Self.report
        other.isSoftwareKVM = true
        #expect(try BenchmarkReport(json: JSONValue(reading: other.json.line)) == other)
    }
}
