import CLinux
import GuestMemory
import HostIO
import KVM
import SoftwareKVM

/// What a host offers to virtual machines, found by trying.
package struct HostReport: Equatable, Sendable {
    /// What the open KVM says of itself.
    package struct KVM: Equatable, Sendable {
        package var apiVersion: Int
        package var capabilities: [CapabilityFinding]
        /// Processors a machine should have at most to be fast.
        package var recommendedProcessors: Int
        package var maximumProcessors: Int
        package var memorySlots: Int
        /// What it leaves undone, from a trial; nil without one.
        package var quirks: [Quirk]?
        /// What becomes of instructions that an emulator may not know, where kernel code is emulated.
        package var instructions: [Instruction] = []

        /// Whether guest kernel code is executed by software; nil without a trial.
        package var isSoftware: Bool? { quirks.map { !$0.isEmpty } }
    }

    /// An instruction of a guest's kernel, and what becomes of it.
    package struct Instruction: Equatable, Sendable {
        package enum Outcome: String, Sendable {
            /// KVM or the processor executes it.
            case works
            /// Caisson completes it.
            case completed
            /// The guest gets an exception, as if it did not have the instruction.
            case refused
            /// KVM does not let a guest switch it on.
            case notOffered = "not-offered"
            /// A guest that uses it ends.
            case missing
        }

        package var name: String
        package var outcome: Outcome
    }

    /// Something that KVM leaves undone and Caisson does.
    package struct Quirk: Equatable, Sendable {
        package var name: String
        package var explanation: String
    }

    /// The kernel's release.
    package var kernel: String?
    package var processor: ProcessorFacts
    package var memory: MemoryFacts?
    /// Those of the KVM family that the kernel has, built in or loaded.
    package var modules: [String]
    /// The path of KVM's device.
    package var device: String
    /// Nil where it could not be opened.
    package var kvm: KVM?
    /// Why machines cannot run; nil where a trial was successful.
    package var problem: HostProblem?

    /// Looks at the host and tries a machine.
    /// - Parameters:
    ///   - device: KVM's.
    ///   - root: where /proc, /sys and /etc are.
    package init(device: String = KVMSystem.defaultPath, root: String = "") {
        func text(_ path: String) -> String { (try? HostFile.text(of: root + path)) ?? "" }
        kernel = text("/proc/sys/kernel/osrelease").split(whereSeparator: \.isWhitespace).first.map(String.init)
        processor = ProcessorFacts(cpuinfo: text("/proc/cpuinfo"))
        memory = MemoryFacts(meminfo: text("/proc/meminfo"))
        modules = ["kvm_intel", "kvm_amd", "kvm_pvm"].filter { name in
            HostFile.exists("\(root)/sys/module/\(name)")
        }
        self.device = device
        do {
            let system = try KVMSystem(path: device)
            kvm = KVM(system)
            try system.checkRequiredCapabilities()
            try tryMachine(on: system)
        } catch {
            let access = DeviceAccess(device: device, root: root)
            problem = HostProblem(error, processor: processor, modules: modules, access: access)
        }
    }

    /// Makes the smallest machine, and runs the probe in it.
    private mutating func tryMachine(on system: borrowing KVMSystem) throws(KVMError) {
        guard let memory = try? GuestMemory(size: 1 << 20), let probe = try? HostProbe(memory: memory) else {
            throw .requestFailed(operation: "mapping 1 MiB of guest memory", errno: ENOMEM)
        }
        let machine = try system.makeMachine()
        try machine.setMemory(memory)
        try machine.makeInterruptControllers()
        try machine.makeTimer()
        let vcpu = try machine.makeVCPU(index: 0)
        let identity = ProcessorIdentity(
            supported: try system.supportedCPUID(), processorCount: 1,
            hasDeadlineTimer: system.has(.tscDeadlineTimer))
        try identity.install(on: vcpu, index: 0)
        let quirks = try probe.quirks(of: vcpu)
        kvm?.quirks = HostQuirks.all.filter { quirks.contains($0.quirk) }
            .map { Quirk(name: $0.name, explanation: $0.explanation) }
        if quirks.contains(.kernelCodeIsEmulated) {
            kvm?.instructions = try probe.survey(of: vcpu, quirks: quirks).map(Instruction.init)
        }
    }
}

extension HostReport.Instruction {
    fileprivate init(_ finding: InstructionFinding) {
        name = finding.name
        outcome =
            switch finding.outcome {
            case .works: .works
            case .completed: .completed
            case .refused: .refused
            case .notOffered: .notOffered
            case .missing: .missing
            }
    }
}

extension HostReport.KVM {
    fileprivate init(_ system: borrowing KVMSystem) {
        // Another one is an error.
        apiVersion = 12
        capabilities = CapabilityFinding.all(of: system)
        let recommended = system.value(of: .recommendedVCPUs)
        // By KVM's documentation, a kernel that does not tell takes four, and as many as it recommends.
        recommendedProcessors = recommended > 0 ? recommended : 4
        let maximum = system.value(of: .maximumVCPUs)
        maximumProcessors = maximum > 0 ? maximum : recommendedProcessors
        memorySlots = system.value(of: .memorySlots)
    }
}
