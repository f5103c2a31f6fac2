import CLinux

/// What a host does with one instruction of a guest's kernel.
package struct InstructionFinding: Equatable, Sendable {
    package enum Outcome: Equatable, Sendable {
        /// KVM or the processor executes it.
        case works
        /// KVM gives up on it, and Caisson completes it.
        case completed
        /// The guest is told that it does not have it: exception `vector`.
        case refused(vector: UInt8)
        /// KVM does not let a guest enable it.
        case notOffered
        /// Nobody executes it: a guest that uses it ends.
        case missing
    }

    package let name: String
    package let outcome: Outcome
}

/// A list of the instructions that guest kernels use and that an instruction emulator may not know.
///
/// Not on it: VMCALL, which hangs guests on hosts without hardware virtualization, and HLT, which ends a run.
enum InstructionSurvey {
    struct Entry {
        let name: String
        let code: [UInt8]
        /// Bits of CR4 that enable it.
        var controls: UInt64 = 0
        /// The exception that it is there to raise.
        var vector: UInt8?
    }

    static let entries: [Entry] = [
        Entry(name: "int3", code: [0xcc], vector: 3),
        Entry(name: "int n", code: [0xcd, 0x20], vector: 0x20),
        Entry(name: "clac", code: [0x0f, 0x01, 0xca]),
        Entry(name: "stac", code: [0x0f, 0x01, 0xcb]),
        Entry(name: "fwait", code: [0x9b]),
        Entry(name: "fnstsw", code: [0xdf, 0xe0]),
        Entry(name: "x87", code: [0xd9, 0xe8]),
        Entry(name: "popcnt", code: [0xf3, 0x48, 0x0f, 0xb8, 0x03]),
        Entry(name: "cmpxchg16b", code: [0xf0, 0x48, 0x0f, 0xc7, 0x0b]),
        Entry(name: "crc32", code: [0xf2, 0x0f, 0x38, 0xf1, 0xc3]),
        Entry(name: "movbe", code: [0x48, 0x0f, 0x38, 0xf0, 0x03]),
        Entry(name: "bmi1", code: [0xc4, 0xe2, 0x70, 0xf2, 0xc0]),
        Entry(name: "bmi2", code: [0xc4, 0xe2, 0xfb, 0xf6, 0xc0]),
        Entry(name: "adx", code: [0x66, 0x0f, 0x38, 0xf6, 0xc0]),
        Entry(name: "ldmxcsr", code: [0xc7, 0x03, 0x80, 0x1f, 0x00, 0x00, 0x0f, 0xae, 0x13]),
        Entry(name: "stmxcsr", code: [0x0f, 0xae, 0x1b]),
        Entry(name: "sse", code: [0x66, 0x0f, 0xef, 0xc0]),
        Entry(name: "sse move", code: [0xf3, 0x0f, 0x6f, 0x03]),
        Entry(
            name: "avx", code: [0x31, 0xc9, 0x31, 0xd2, 0xb8, 7, 0, 0, 0, 0x0f, 0x01, 0xd1, 0xc5, 0xf9, 0xef, 0xc0],
            controls: CR4.xsave),
        Entry(name: "xgetbv", code: [0x31, 0xc9, 0x0f, 0x01, 0xd0], controls: CR4.xsave),
        Entry(name: "xsetbv", code: [0x31, 0xc9, 0x31, 0xd2, 0xb8, 3, 0, 0, 0, 0x0f, 0x01, 0xd1], controls: CR4.xsave),
        Entry(name: "xsave", code: [0xb8, 3, 0, 0, 0, 0x31, 0xd2, 0x0f, 0xae, 0x23], controls: CR4.xsave),
        Entry(name: "xsaveopt", code: [0xb8, 3, 0, 0, 0, 0x31, 0xd2, 0x0f, 0xae, 0x33], controls: CR4.xsave),
        Entry(name: "xsavec", code: [0xb8, 3, 0, 0, 0, 0x31, 0xd2, 0x0f, 0xc7, 0x23], controls: CR4.xsave),
        Entry(name: "xsaves", code: [0xb8, 3, 0, 0, 0, 0x31, 0xd2, 0x0f, 0xc7, 0x2b], controls: CR4.xsave),
        Entry(
            name: "xrstor",
            code: [0xc7, 0x43, 0x18, 0x80, 0x1f, 0, 0, 0xb8, 3, 0, 0, 0, 0x31, 0xd2, 0x0f, 0xae, 0x2b],
            controls: CR4.xsave),
        Entry(name: "fxsave", code: [0x0f, 0xae, 0x03]),
        Entry(name: "rdtscp", code: [0x0f, 0x01, 0xf9]),
        Entry(name: "rdpid", code: [0xf3, 0x0f, 0xc7, 0xf8]),
        Entry(name: "rdrand", code: [0x0f, 0xc7, 0xf0]),
        Entry(name: "rdseed", code: [0x0f, 0xc7, 0xf8]),
        Entry(name: "swapgs", code: [0x0f, 0x01, 0xf8, 0x0f, 0x01, 0xf8]),
        Entry(name: "rdgsbase", code: [0xf3, 0x48, 0x0f, 0xae, 0xc8], controls: CR4.segmentBase),
        Entry(name: "wrgsbase", code: [0x31, 0xc0, 0xf3, 0x48, 0x0f, 0xae, 0xd8], controls: CR4.segmentBase),
        Entry(name: "invpcid", code: [0xb8, 2, 0, 0, 0, 0x66, 0x0f, 0x38, 0x82, 0x03]),
        Entry(name: "clflushopt", code: [0x66, 0x0f, 0xae, 0x3b]),
        Entry(name: "clwb", code: [0x66, 0x0f, 0xae, 0x33]),
        Entry(name: "verw", code: [0x0f, 0x00, 0x2b]),
        Entry(name: "lar", code: [0x0f, 0x02, 0xc0]),
        Entry(name: "lsl", code: [0x0f, 0x03, 0xc0]),
        Entry(name: "tpause", code: [0x66, 0x0f, 0xae, 0xf1]),
        Entry(name: "serialize", code: [0x0f, 0x01, 0xe8]),
    ]
}

extension HostProbe {
    /// Tries every instruction of the survey in kernel mode. Up to 2 ms each where the host's kernel logs what its emulator
    /// does not know. Changes all of the vCPU's registers.
    package func survey<CPU: ProbeCPU & ~Copyable>(
        of cpu: borrowing CPU, quirks: HostQuirks
    ) throws(CPU.Failure) -> [InstructionFinding] {
        var repair = HostRepair(quirks: quirks, memory: memory)
        let special = try cpu.specialRegisters()
        var findings: [InstructionFinding] = []
        for entry in InstructionSurvey.entries {
            let outcome = try attempt(entry, on: cpu, special, &repair)
            findings.append(InstructionFinding(name: entry.name, outcome: outcome))
        }
        return findings
    }

    private func attempt<CPU: ProbeCPU & ~Copyable>(
        _ entry: InstructionSurvey.Entry, on cpu: borrowing CPU, _ special: kvm_sregs, _ repair: inout HostRepair
    ) throws(CPU.Failure) -> InstructionFinding.Outcome {
        guard
            let start = try? program.startSupervisor(
                entry.code, controls: entry.controls, in: memory, special),
            (try? cpu.setSpecialRegisters(start.special)) != nil
        else { return .notOffered }
        try cpu.setRegisters(start.registers)
        var exit = try cpu.runProbe()
        var outcome = InstructionFinding.Outcome.works
        // One instruction can take a page fault or two on its way.
        for _ in 0..<4 where exit == .emulationFailed {
            guard try repair.emulationFailed(on: cpu) == nil else { return .missing }
            outcome = .completed
            exit = try cpu.runProbe()
        }
        guard exit == .output(port: ProbeProgram.port) else { return .missing }
        let registers = try cpu.registers()
        try cpu.completeExit()
        guard program.commonEnd.contains(registers.rip) else { return entry.vector == nil ? outcome : .missing }
        let vector = UInt8(truncatingIfNeeded: registers.rbx)
        return vector == entry.vector ? outcome : .refused(vector: vector)
    }
}
