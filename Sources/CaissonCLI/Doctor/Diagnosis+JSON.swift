import Caisson
import CaissonOptions

extension Diagnosis {
    /// For programs. `schema` grows when a key goes or changes its meaning, not when one is added.
    var json: JSONValue {
        .object([
            ("schema", .integer(1)),
            ("version", .string(Version.current)),
            ("verdict", .string(!canRun ? "unable" : host.kvm?.isSoftware == true ? "software" : "hardware")),
            (
                "problems",
                .array(problems.map { .object([("what", .string($0.what)), ("advice", JSONValue($0.advice))]) })
            ),
            ("host", hostObject),
            ("kvm", kvmObject),
            (
                "installation",
                .object([
                    ("program", JSONValue(installation.programProblem == nil ? installation.program : nil)),
                    ("guest", JSONValue(installation.guestProblem == nil ? installation.guest : nil)),
                ])
            ),
        ])
    }

    private var hostObject: JSONValue {
        .object([
            ("kernel", JSONValue(host.kernel)),
            (
                "processor",
                .object([
                    ("model", JSONValue(host.processor.model)),
                    ("count", JSONValue(host.processor.count)),
                    ("vmx", .bool(host.processor.hasVMX)),
                    ("svm", .bool(host.processor.hasSVM)),
                    ("virtual", .bool(host.processor.isVirtual)),
                ])
            ),
            (
                "memory",
                host.memory.map {
                    .object([("total", .integer($0.total)), ("available", .integer($0.available))])
                } ?? .null
            ),
        ])
    }

    private var kvmObject: JSONValue {
        var members: [(key: String, value: JSONValue)] = [
            ("device", .string(host.device)),
            ("modules", .array(host.modules.map { .string($0) })),
            ("open", .bool(host.kvm != nil)),
        ]
        guard let kvm = host.kvm else { return .object(members) }
        members += [
            ("api", JSONValue(kvm.apiVersion)),
            ("software", kvm.isSoftware.map { .bool($0) } ?? .null),
            ("quirks", kvm.quirks.map { .array($0.map { .string($0.name) }) } ?? .null),
            (
                "instructions",
                .array(
                    kvm.instructions.map {
                        .object([("name", .string($0.name)), ("outcome", .string($0.outcome.rawValue))])
                    })
            ),
            (
                "limits",
                .object([
                    ("recommendedProcessors", JSONValue(kvm.recommendedProcessors)),
                    ("maximumProcessors", JSONValue(kvm.maximumProcessors)),
                    ("memorySlots", JSONValue(kvm.memorySlots)),
                ])
            ),
            (
                "capabilities",
                .array(
                    kvm.capabilities.map {
                        .object([
                            ("name", .string($0.name)), ("required", .bool($0.isRequired)),
                            ("value", JSONValue($0.value)),
                            ("purpose", .string($0.purpose)),
                        ])
                    })
            ),
        ]
        return .object(members)
    }
}
