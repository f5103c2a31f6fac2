import Foundation
import TestSupport
import Testing

@testable import Caisson
@testable import CaissonCLI
@testable import CaissonOptions

@Suite struct DoctorTests {
    private static let absent = HostReport(device: "/no/such/kvm", root: "/no/such")

    private static let installation: Installation = {
        var installation = Installation()
        installation.program = "/opt/caisson"
        installation.guest = "/opt/guest"
        return installation
    }()

    /// A host whose trial ended well.
    private static func present(quirks: [HostReport.Quirk]) -> HostReport {
        var host = absent
        host.problem = nil
        host.kernel = "6.1"
        host.kvm = HostReport.KVM(
            apiVersion: 12,
            capabilities: [
                CapabilityFinding(name: "KVM_CAP_A", isRequired: true, value: 1, purpose: "first"),
                CapabilityFinding(name: "KVM_CAP_B", isRequired: false, value: 0, purpose: "second"),
            ], recommendedProcessors: 2, maximumProcessors: 1024, memorySlots: 512, quirks: quirks)
        return host
    }

    private func read(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    @Test func `no KVM is a verdict`() throws {
        let diagnosis = Diagnosis(host: Self.absent, installation: Self.installation)
        #expect(!diagnosis.canRun)
        #expect(
            diagnosis.text.hasSuffix(
                """
                Machines cannot run here:
                  /no/such/kvm does not exist
                  -> switch virtualization (VT-x or SVM) on in the firmware's setup
                """))
        let json = try read(diagnosis.json.text)
        #expect(json["schema"] as? Int == 1)
        #expect(json["verdict"] as? String == "unable")
        let problems = try #require(json["problems"] as? [[String: String]])
        #expect(problems.map { $0["what"] } == ["/no/such/kvm does not exist"])
        let kvm = try #require(json["kvm"] as? [String: Any])
        #expect(kvm["open"] as? Bool == false)
        #expect(kvm["device"] as? String == "/no/such/kvm")
    }

    @Test(arguments: [[], [HostReport.Quirk(name: "slow", explanation: "it is slow")]])
    func `kinds of KVM are told`(quirks: [HostReport.Quirk]) throws {
        let diagnosis = Diagnosis(host: Self.present(quirks: quirks), installation: Self.installation)
        #expect(diagnosis.canRun)
        #expect(diagnosis.text.contains(quirks.isEmpty ? "hardware virtualization" : "-  it is slow"))
        #expect(diagnosis.text.contains("\n  yes  KVM_CAP_A                       first (needed)\n"))
        #expect(diagnosis.text.contains("\n  no   KVM_CAP_B                       second\n"))
        let json = try read(diagnosis.json.text)
        #expect(json["verdict"] as? String == (quirks.isEmpty ? "hardware" : "software"))
        let kvm = try #require(json["kvm"] as? [String: Any])
        #expect(kvm["software"] as? Bool == !quirks.isEmpty)
        #expect(kvm["quirks"] as? [String] == quirks.map(\.name))
        #expect((kvm["limits"] as? [String: Int])?["maximumProcessors"] == 1024)
        let capabilities = try #require(kvm["capabilities"] as? [[String: Any]])
        #expect(capabilities.map { $0["value"] as? Int } == [1, 0])
        #expect(json.keys.sorted() == ["host", "installation", "kvm", "problems", "schema", "verdict", "version"])
    }

    @Test func `a missing program is a problem, a missing guest is none`() {
        var installation = Self.installation
        installation.guestProblem = "there is none"
        var diagnosis = Diagnosis(host: Self.present(quirks: []), installation: installation)
        #expect(diagnosis.canRun)
        #expect(diagnosis.text.hasSuffix("Without a default guest, `caisson run` needs --kernel."))
        installation.programProblem = HostProblem("no program", advice: "make one")
        diagnosis.installation = installation
        #expect(!diagnosis.canRun)
        #expect(diagnosis.text.hasSuffix("Machines cannot run here:\n  no program\n  -> make one"))
    }

    @Test func `the installation is looked at`() throws {
        var command = try Command()
        command.moveProgram("caisson-cli", to: "bin")
        command.environment["CAISSON_VMM"] = nil
        var json = try read(command.run("doctor", "--json").output)
        let folder = command.folder.path
        func installation() -> [String: Any]? { json["installation"] as? [String: Any] }
        func problems() -> [[String: Any]] { json["problems"] as? [[String: Any]] ?? [] }
        #expect(problems().contains { $0["what"] as? String == "\(folder)/bin/caisson does not exist" })
        #expect(json["verdict"] as? String == "unable")
        #expect(installation()?["guest"] is NSNull)

        command.folder.file("bin/caisson", mode: 0o644)
        json = try read(command.run("doctor", "--json").output)
        #expect(problems().contains { $0["what"] as? String == "\(folder)/bin/caisson is not executable" })

        command.folder.file("bin/other", mode: 0o755)
        command.environment["CAISSON_VMM"] = "\(folder)/bin/other"
        command.environment["CAISSON_GUEST"] = command.folder.folder("guest")
        command.folder.file("guest/vmlinux")
        command.folder.file("guest/initramfs.cpio")
        json = try read(command.run("doctor", "--json").output)
        #expect(installation()?["program"] as? String == "\(folder)/bin/other")
        #expect(installation()?["guest"] as? String == "\(folder)/guest")
    }

    @Test func `text, JSON and exit status agree`() throws {
        let command = try Command()
        let text = command.run("doctor")
        let json = command.run("doctor", "--json")
        #expect(text.errors.isEmpty && json.errors.isEmpty)
        let verdict = try #require(try read(json.output)["verdict"] as? String)
        #expect(text.status == json.status)
        #expect(text.status == (verdict == "unable" ? 1 : 0))
        #expect(text.output.contains("Machines cannot run here") == (verdict == "unable"))
        #expect(text.output.contains("Machines can run here") == (verdict != "unable"))
    }

    @Test func `any text survives JSON`() throws {
        let text = String(String.UnicodeScalarView((0..<0x300).compactMap(Unicode.Scalar.init))) + "🚢\u{2028}\"\\/"
        let value = JSONValue.object([(text, .array([.string(text), .integer(.max), .null, .bool(true), .array([])]))])
        let object = try read(value.text)
        let array = try #require(object[text] as? [Any])
        #expect(array[0] as? String == text)
        #expect(array[1] as? UInt64 == .max)
        #expect(array[2] is NSNull)
        #expect(array[3] as? Bool == true)
        #expect((array[4] as? [Any])?.isEmpty == true)
    }
}
