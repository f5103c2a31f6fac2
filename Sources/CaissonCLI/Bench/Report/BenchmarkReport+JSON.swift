import Benchmark
import Caisson
import CaissonOptions
import HostIO
import ImageStore

extension BenchmarkReport {
    private static let schema: UInt64 = 1
    private static let kind = "caisson bench"
    /// More than any run writes.
    private static let largestFile = 64 << 20

    /// For programs, `compare` among them. `schema` grows when a key goes or changes its meaning, not when one is added.
    var json: JSONValue {
        func list(_ words: [String]) -> JSONValue { .array(words.map { .string($0) }) }
        return .object([
            ("schema", .integer(Self.schema)), ("kind", .string(Self.kind)), ("version", .string(Version.current)),
            ("begin", .string(setup.begin)), ("rounds", JSONValue(setup.rounds)), ("warmups", JSONValue(setup.warmups)),
            ("processors", .array(setup.processors.map { JSONValue($0) })), ("memory", .integer(setup.memory)),
            ("quick", .bool(setup.isQuick)), ("softwareKVM", isSoftwareKVM.map { .bool($0) } ?? .null),
            ("host", .array(host.map { .object([("label", .string($0.label)), ("text", .string($0.text))]) })),
            (
                "engines",
                .array(
                    engines.map {
                        .object([
                            ("id", .string($0.id)), ("title", .string($0.title)), ("kind", .string($0.kind.rawValue)),
                            ("version", JSONValue($0.version)), ("notes", list($0.notes)),
                        ])
                    })
            ),
            (
                "leftOut",
                .array(omissions.map { .object([("engine", .string($0.engine)), ("reason", .string($0.reason))]) })
            ),
            (
                "workloads",
                .array(
                    workloads.map {
                        .object([
                            ("name", .string($0.name)), ("group", .string($0.group)), ("summary", .string($0.summary)),
                        ])
                    })
            ),
            ("series", .array(series.map(\.json))),
            (
                "failures",
                .array(
                    failures.map {
                        .object([
                            ("workload", .string($0.workload)), ("engine", .string($0.engine)),
                            ("problem", .string($0.problem)),
                        ])
                    })
            ),
        ])
    }

    /// Reads what `json` wrote.
    init(json value: JSONValue) throws(JSONMismatch) {
        let document = try JSONObject(value, at: "")
        guard try document.string("kind") == Self.kind else {
            throw JSONMismatch(path: "kind", expected: "\"\(Self.kind)\"")
        }
        _ = try document.integer("schema", in: Self.schema...Self.schema)
        let processors = try document.numbers("processors").map { Int(exactly: $0) ?? -1 }
        guard processors.allSatisfy(ProcessorList.numbers.contains) else {
            throw JSONMismatch(path: "processors", expected: "numbers of processors")
        }
        self.init(
            setup: .init(
                begin: try document.string("begin"),
                rounds: Int(try document.integer("rounds", in: 1...BenchCommand.mostRounds)),
                warmups: Int(try document.integer("warmups", in: 0...BenchCommand.mostRounds)), processors: processors,
                memory: try document.integer("memory", in: 0...(1 << 62)), isQuick: try document.bool("quick")),
            host: try document.objects("host") { object throws(JSONMismatch) in
                Fact(try object.string("label"), try object.string("text"))
            },
            isSoftwareKVM: try document.optionalBool("softwareKVM"),
            engines: try document.objects("engines") { object throws(JSONMismatch) in
                guard let kind = Engine.Kind(rawValue: try object.string("kind")) else {
                    throw JSONMismatch(path: "\(object.path).kind", expected: "process, container or machine")
                }
                return Engine(
                    id: try object.string("id"), title: try object.string("title"), kind: kind,
                    version: try object.optionalString("version"), notes: try object.strings("notes"))
            },
            omissions: try document.objects("leftOut") { object throws(JSONMismatch) in
                Omission(engine: try object.string("engine"), reason: try object.string("reason"))
            },
            workloads: try document.objects("workloads") { object throws(JSONMismatch) in
                Workload(
                    name: try object.string("name"), group: try object.string("group"),
                    summary: try object.string("summary"))
            },
            series: try document.objects("series") { object throws(JSONMismatch) in try Series(json: object) },
            failures: try document.objects("failures") { object throws(JSONMismatch) in
                Failure(
                    workload: try object.string("workload"), engine: try object.string("engine"),
                    problem: try object.string("problem"))
            })
    }

    /// Reads a file that `--json` wrote.
    init(file path: String) throws(CommandError) {
        let text: String
        do { text = try HostFile.text(of: path, limit: Self.largestFile + 1) } catch { throw .failure("\(error)") }
        guard text.utf8.count <= Self.largestFile else {
            throw .failure("\(path): too long to be a result of caisson bench")
        }
        let value: JSONValue
        do { value = try JSONValue(reading: text) } catch {
            throw .failure("\(path): no JSON: line \(error.line): \(error.message.printable)")
        }
        do { try self.init(json: value) } catch {
            throw .failure(
                "\(path): not a result of caisson bench: \(error.path.isEmpty ? "it" : error.path.printable) should be \(error.expected)"
            )
        }
    }
}

extension BenchmarkReport.Series {
    fileprivate var json: JSONValue {
        let interval = Bootstrap.standard.interval(ofMedianOf: samples)
        return .object([
            ("workload", .string(workload)), ("engine", .string(engine)), ("metric", .string(metric.name)),
            ("unit", .string(metric.unit)), ("better", .string(metric.better.rawValue)),
            ("median", .number(samples.median)),
            ("interval", .array([.number(interval.lower), .number(interval.upper)])),
            ("samples", .array(samples.values.map { .number($0) })),
        ])
    }

    /// What can be computed of the samples is not read.
    fileprivate init(json object: JSONObject) throws(JSONMismatch) {
        guard let better = Metric.Better(rawValue: try object.string("better")) else {
            throw JSONMismatch(path: "\(object.path).better", expected: "higher or lower")
        }
        guard let samples = Samples(try object.numbers("samples")) else {
            throw JSONMismatch(
                path: "\(object.path).samples", expected: "at least one number, none of them negative or out of range")
        }
        self.init(
            workload: try object.string("workload"), engine: try object.string("engine"),
            metric: Metric(name: try object.string("metric"), unit: try object.string("unit"), better: better),
            samples: samples)
    }
}
