import Glibc
import HostIO
import KVM
import Testing

@testable import Caisson

@Suite struct ProcessorFactsTests {
    @Test func `processors are counted and described`() {
        let text = """
            processor\t: 0
            model name\t: Some  CPU @ 2 GHz
            flags\t\t: fpu vmx hypervisor

            processor\t: 1
            model name\t: Other
            flags\t\t: fpu svm
            """
        let facts = ProcessorFacts(cpuinfo: text)
        #expect(facts.model == "Some CPU @ 2 GHz")
        #expect(facts.count == 2)
        #expect(facts.hasVMX && facts.isVirtual && !facts.hasSVM)
    }

    @Test(arguments: ["", "nonsense", ":", "flags", "flags:", "processor : 0\nflags : xvmx vmxx\n"])
    func `what is missing is missing`(text: String) {
        let facts = ProcessorFacts(cpuinfo: text)
        #expect(!facts.hasVMX && !facts.hasSVM && !facts.isVirtual && facts.model == nil)
    }

    @Test(
        arguments: [
            ("MemTotal: 16 kB\nMemFree: 1 kB\nMemAvailable:   8 kB\n", 16384, 8192),
            ("MemTotal: 16 kB\n", nil, nil), ("", nil, nil), ("MemTotal: 16 MB\nMemAvailable: 8 kB\n", nil, nil),
            ("MemTotal: x kB\nMemAvailable: 8 kB\n", nil, nil),
            ("MemTotal: 18446744073709551615 kB\nMemAvailable: 8 kB\n", nil, nil),
        ] as [(String, UInt64?, UInt64?)])
    func `memory is read`(text: String, total: UInt64?, available: UInt64?) {
        let facts = MemoryFacts(meminfo: text)
        #expect(facts?.total == total)
        #expect(facts?.available == available)
    }
}

@Suite struct HostProblemTests {
    static let absences: [(String, [String], String)] = [
        ("flags : vmx", [], "sudo modprobe kvm_intel"),
        ("flags : svm", [], "sudo modprobe kvm_amd"),
        ("flags : vmx hypervisor", [], "sudo modprobe kvm_intel"),
        (
            "flags : hypervisor", [],
            "this host is a virtual machine: have nested virtualization allowed for it, or use a kernel whose KVM needs "
                + "none (sudo modprobe kvm_pvm)"
        ),
        ("flags : fpu", [], "switch virtualization (VT-x or SVM) on in the firmware's setup"),
        (
            "flags : vmx", ["kvm_intel"],
            "the kernel has kvm_intel: in a container, hand the device in (docker run --device /no/kvm)"
        ),
    ]

    @Test(arguments: absences) func `a missing device gets advice`(cpuinfo: String, modules: [String], advice: String) {
        let problem = HostProblem(
            .cannotOpen(path: "/no/kvm", errno: ENOENT), processor: ProcessorFacts(cpuinfo: cpuinfo), modules: modules,
            access: nil)
        #expect(problem.what == "/no/kvm does not exist")
        #expect(problem.advice == advice)
    }

    static let permissions: [(DeviceAccess, String)] = [
        (
            DeviceAccess(owner: "root", group: "kvm", mode: 0o660, isInGroup: false, willBeInGroup: false),
            "sudo usermod -aG kvm $USER, then log in again"
        ),
        (
            DeviceAccess(owner: "root", group: "virt", mode: 0o666, isInGroup: false, willBeInGroup: true),
            "you are in group virt since after this login: log in again"
        ),
        (
            DeviceAccess(owner: "root", group: "kvm", mode: 0o660, isInGroup: true, willBeInGroup: true),
            "the file's permissions would do: a container's list of devices or a security module forbids it"
        ),
        (
            DeviceAccess(owner: "root", group: "root", mode: 0o600, isInGroup: false, willBeInGroup: false),
            "sudo chgrp kvm /dev/kvm && sudo chmod 660 /dev/kvm && sudo usermod -aG kvm $USER, then log in again"
        ),
        (
            DeviceAccess(owner: "root", group: "kvm", mode: 0o640, isInGroup: true, willBeInGroup: true),
            "sudo chgrp kvm /dev/kvm && sudo chmod 660 /dev/kvm && sudo usermod -aG kvm $USER, then log in again"
        ),
    ]

    @Test(arguments: permissions) func `a refused device gets advice`(access: DeviceAccess, advice: String) {
        for errno in [EACCES, EPERM] {
            let problem = HostProblem(
                .cannotOpen(path: "/dev/kvm", errno: errno), processor: ProcessorFacts(cpuinfo: ""), modules: [],
                access: access)
            let mode = String(access.mode, radix: 8)
            #expect(
                problem.what
                    == "no permission to open /dev/kvm (it is \(access.owner):\(access.group)'s, mode \(mode))")
            #expect(problem.advice == advice)
        }
    }

    @Test func `other refusals say what they are`() {
        func problem(_ error: KVMError) -> HostProblem {
            HostProblem(error, processor: ProcessorFacts(cpuinfo: ""), modules: [], access: nil)
        }
        #expect(problem(.missingCapability(name: "KVM_CAP_X")).advice == "boot a newer kernel")
        let busy = problem(.requestFailed(operation: "KVM_CREATE_VM", errno: EBUSY))
        #expect(busy.what == "KVM_CREATE_VM failed: Device or resource busy")
        #expect(busy.advice?.contains("VirtualBox") == true)
        #expect(problem(.requestFailed(operation: "KVM_CREATE_VCPU", errno: EBUSY)).advice == nil)
    }
}

@Suite struct HostReportTests {
    /// A root of a host's own.
    private func makeRoot(_ files: [String: String]) throws -> String {
        var template = Array(
            "\(getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp")/caisson-test-XXXXXX".utf8CString)
        let root = try #require(mkdtemp(&template).map { String(cString: $0) })
        for folder in ["/proc", "/proc/self", "/proc/sys", "/proc/sys/kernel", "/etc", "/sys", "/sys/module", "/dev"] {
            mkdir(root + folder, 0o700)
        }
        for (name, text) in files {
            let file = open(root + name, O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
            _ = text.withCString { write(file, $0, strlen($0)) }
            close(file)
        }
        return root
    }

    private func remove(_ root: String) {
        for name in [
            "/proc/cpuinfo", "/proc/meminfo", "/proc/self/status", "/proc/sys/kernel/osrelease", "/etc/passwd",
            "/etc/group",
            "/dev/kvm",
        ] { unlink(root + name) }
        for folder in [
            "/proc/self", "/proc/sys/kernel", "/proc/sys", "/proc", "/etc", "/sys/module/kvm_amd", "/sys/module",
            "/sys",
            "/dev", "",
        ] { rmdir(root + folder) }
    }

    @Test func `a host without KVM is described`() throws {
        let root = try makeRoot([
            "/proc/cpuinfo": "processor : 0\nmodel name : A B\nflags : svm\n",
            "/proc/meminfo": "MemTotal: 2048 kB\nMemAvailable: 1024 kB\n", "/proc/sys/kernel/osrelease": "6.1.0-test\n",
        ])
        defer { remove(root) }
        var report = HostReport(device: "\(root)/dev/kvm", root: root)
        #expect(report.kernel == "6.1.0-test")
        #expect(report.processor.model == "A B")
        #expect(report.memory?.total == 2 << 20)
        #expect(report.kvm == nil)
        #expect(report.modules.isEmpty)
        #expect(report.problem == HostProblem("\(root)/dev/kvm does not exist", advice: "sudo modprobe kvm_amd"))

        mkdir(root + "/sys/module/kvm_amd", 0o700)
        report = HostReport(device: "\(root)/dev/kvm", root: root)
        #expect(report.modules == ["kvm_amd"])
        #expect(report.problem?.advice?.hasPrefix("the kernel has kvm_amd: in a container") == true)
    }

    @Test func `an empty host is no crash`() throws {
        let root = try makeRoot([:])
        defer { remove(root) }
        let report = HostReport(device: "/dev/null", root: root)
        #expect(report.kernel == nil && report.memory == nil && report.processor.count == 0)
        #expect(report.problem?.what == "/dev/null is not KVM's device")
    }

    @Test func `a device's owners are found`() throws {
        let root = try makeRoot([
            "/dev/kvm": "", "/etc/passwd": "broken\nroot:x:0:0::/:\nme:x:\(geteuid()):1::/:\n",
            "/etc/group": "broken\nroot:x:0:\nvirt:x:\(getegid()):you,me,root\n",
            "/proc/self/status": "Name: x\nGroups:\t7 8 \n",
        ])
        defer { remove(root) }
        chmod("\(root)/dev/kvm", 0o460)
        let access = try #require(DeviceAccess(device: "\(root)/dev/kvm", root: root))
        #expect(access.owner == (geteuid() == 0 ? "root" : "me"))
        #expect(access.group == (getegid() == 0 ? "root" : "virt"))
        #expect(access.mode == 0o460)
        #expect(access.isInGroup)
        #expect(access.willBeInGroup)
        #expect(DeviceAccess(device: "\(root)/dev/none", root: root) == nil)
    }

    @Test func `every capability has a purpose`() {
        let known = Capability.required + Capability.useful
        for (capability, name) in known { #expect(CapabilityFinding.purposes[capability] != nil, "\(name)") }
        #expect(Set(known.map(\.capability)).count == CapabilityFinding.purposes.count)
    }
}
