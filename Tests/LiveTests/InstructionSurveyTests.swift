import GuestMemory
import KVM
import SoftwareKVM
import Testing

/// What this host does with instructions of a guest's kernel, on a real vCPU.
@Suite(.serialized, .needsKVM, .timeLimit(.minutes(1)))
struct InstructionSurveyTests {
    @Test func everyInstructionIsAccountedFor() throws {
        let machine = try BareMachine()
        let probe = try HostProbe(memory: machine.memory)
        let vcpu = try machine.makeVCPU()
        let quirks = try probe.quirks(of: vcpu)
        let findings = try probe.survey(of: vcpu, quirks: quirks)
        #expect(Set(findings.map(\.name)).count == findings.count && findings.count > 30)
        // Nothing of the list ends a guest, on any host.
        let missing = findings.filter { $0.outcome == .missing }.map(\.name)
        if quirks.contains(.kernelCodeIsEmulated) {
            #expect(missing == [])
            #expect(findings.contains { $0.name == "popcnt" && $0.outcome == .completed })
        }
        #expect(findings.contains { $0.name == "fxsave" && $0.outcome == .works })
    }
}
