package import CLinux
package import GuestMemory

/// A tiny 64-bit guest that shows what KVM does with a few instructions. Plain data: no KVM in it.
///
/// It takes `size` bytes of guest RAM at a page-aligned address below 2 MiB: four page tables that map its last two pages
/// to themselves, one for the supervisor with tables, code and stack, and one for user mode. Every exception and SYSCALL
/// end in the same code, which notes where it came from and writes to `port`.
package struct ProbeProgram: Equatable, Sendable {
    /// Bytes of guest RAM.
    package static let size: UInt64 = 6 * 4096
    /// The port that the program writes to when it is done.
    package static let port: UInt16 = 0x10

    package let base: UInt64

    /// - Precondition: `base` is page-aligned, and the program ends below 2 MiB.
    package init(base: GuestAddress) {
        precondition(base.rawValue % 4096 == 0 && base.rawValue + Self.size <= 2 << 20)
        self.base = base.rawValue
    }

    private var supervisorPage: UInt64 { base + 4 * 4096 }
    private var userPage: UInt64 { base + 5 * 4096 }

    // Places in the supervisor's page.
    private static let taskState: UInt64 = 0x40
    private static let entries: UInt64 = 0x100
    private static let common: UInt64 = 0x300
    private static let snippet: UInt64 = 0x500
    private static let interruptTable: UInt64 = 0x600
    private static let data: UInt64 = 0x900
    private static let stackTop: UInt64 = 0x1000

    /// Gates of the interrupt table: the exceptions, and one for `int n`.
    static let gates: UInt8 = 33
    /// The gate that user mode may use.
    static let userGate: UInt8 = 32
    /// What the common code is told when SYSCALL came in.
    static let systemCallMark: UInt8 = 0x40
    /// How many no-operations the program times.
    static let timedInstructions: UInt64 = 16

    private static let codeSelector: UInt16 = 0x08
    private static let dataSelector: UInt16 = 0x10
    private static let userDataSelector: UInt16 = 0x1b
    private static let userCodeSelector: UInt16 = 0x23
    private static let taskSelector: UInt16 = 0x28

    /// Where SYSCALL goes.
    package var systemCallTarget: UInt64 { supervisorPage + Self.entries + UInt64(Self.gates) * 8 }
    /// SYSCALL's segments: kernel code and data from bits 32, user data and code for SYSRET from bits 48.
    package var star: UInt64 { UInt64(Self.codeSelector) << 32 | UInt64(Self.dataSelector | 3) << 48 }
    package static let sfmask: UInt64 = 0x0004_7700

    /// Writes the program and its tables.
    /// - Throws: `notInRAM` where the machine is too small.
    package func write(to memory: GuestMemory) throws(GuestMemoryError) {
        try memory.fill(GuestAddress(base), count: Self.size, with: 0)
        let isUserTable: UInt64 = 0b111
        for level in 0..<3 as Range<UInt64> {
            try memory.store((base + (level + 1) * 4096) | isUserTable, at: GuestAddress(base + level * 4096))
        }
        let table = base + 3 * 4096
        try memory.store(supervisorPage | 0b011, at: GuestAddress(table + supervisorPage / 4096 * 8))
        try memory.store(userPage | 0b111, at: GuestAddress(table + userPage / 4096 * 8))

        let task = supervisorPage + Self.taskState
        let descriptors: [UInt64] = [
            0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x00cf_f300_0000_ffff, 0x00af_fb00_0000_ffff,
            0x67 | (task & 0xff_ffff) << 16 | 0x8b << 40, 0,
        ]
        for (index, descriptor) in descriptors.enumerated() {
            try memory.store(descriptor, at: GuestAddress(supervisorPage + UInt64(index) * 8))
        }
        try memory.store(supervisorPage + Self.stackTop, at: GuestAddress(task + 4))
        try writeEntries(to: memory)
        try memory.write(commonCode, at: GuestAddress(supervisorPage + Self.common))
    }

    /// An entry for each gate and one for SYSCALL: mov bl, mark; jmp common.
    private func writeEntries(to memory: GuestMemory) throws(GuestMemoryError) {
        for vector in 0...Self.gates {
            let entry = Self.entries + UInt64(vector) * 8
            let mark = vector == Self.gates ? Self.systemCallMark : vector
            let distance = UInt32(Self.common - (entry + 7))
            try memory.write(
                [0xb3, mark, 0xe9] + (0..<4).map { UInt8(truncatingIfNeeded: distance >> ($0 * 8)) },
                at: GuestAddress(supervisorPage + entry))
            guard vector < Self.gates else { break }
            let handler = supervisorPage + entry
            let level: UInt64 = vector == Self.userGate ? 3 : 0
            let low =
                handler & 0xffff | UInt64(Self.codeSelector) << 16 | (0x8e | level << 5) << 40
                | (handler & 0xffff_0000) << 32
            try memory.store(
                low, at: GuestAddress(supervisorPage + Self.interruptTable + UInt64(vector) * 16))
        }
    }

    private var commonCode: [UInt8] {
        let timed: [UInt8] =
            [0x0f, 0x31, 0x89, 0xc6]  // rdtsc; mov esi, eax
            + [UInt8](repeating: 0x90, count: Int(Self.timedInstructions))
            + [0x0f, 0x31, 0x29, 0xf0]  // rdtsc; sub eax, esi
        let twice =
            timed + [0x89, 0xc7]  // mov edi, eax
            + timed + [0x89, 0xc5]  // mov ebp, eax
        return [0x41, 0x8c, 0xca]  // mov r10d, cs
            + [0x45, 0x84, 0xc9, 0x0f, 0x84] + littleEndian(UInt32(twice.count)) + twice  // test r9b, r9b; jz
            + [0xe6, UInt8(Self.port), 0xf4]  // out port, al; hlt
    }

    private func littleEndian(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }

    /// Puts code for user mode in place and returns the state to start it in.
    /// - Parameter isTimed: whether the common code times no-operations, into EDI and EBP.
    package func startUser(
        _ code: [UInt8], isTimed: Bool = false, in memory: GuestMemory, _ special: kvm_sregs
    ) throws(GuestMemoryError) -> (registers: kvm_regs, special: kvm_sregs) {
        try memory.write(code + [0x0f, 0x0b], at: GuestAddress(userPage))
        var registers = kvm_regs()
        registers.rip = userPage
        registers.rsp = userPage + 4096
        registers.r9 = isTimed ? 1 : 0
        registers.rflags = RFLAGS.reserved | RFLAGS.interrupt
        var special = prepared(special)
        special.cs = .flat(Self.userCodeSelector, isCode: true)
        special.cs.dpl = 3
        special.ss = .flat(Self.userDataSelector, isCode: false)
        special.ss.dpl = 3
        return (registers, special)
    }

    /// Puts code for the supervisor in place, followed by a write to `port`, and returns the state to start it in.
    /// RBX points at 1 KiB of zeroed memory, aligned to 64 bytes.
    /// - Parameter controls: bits to set in CR4.
    package func startSupervisor(
        _ code: [UInt8], controls: UInt64 = 0, in memory: GuestMemory, _ special: kvm_sregs
    ) throws(GuestMemoryError) -> (registers: kvm_regs, special: kvm_sregs) {
        try memory.write(code + [0xe6, UInt8(Self.port), 0xf4], at: GuestAddress(supervisorPage + Self.snippet))
        try memory.fill(GuestAddress(supervisorPage + Self.data), count: 0x400, with: 0)
        var registers = kvm_regs()
        registers.rip = supervisorPage + Self.snippet
        registers.rsp = supervisorPage + Self.stackTop
        registers.rbx = supervisorPage + Self.data
        registers.rflags = RFLAGS.reserved
        var special = prepared(special)
        special.cr4 |= controls
        return (registers, special)
    }

    /// RIP behind the write to `port` that ends a supervisor's `code`.
    package func end(ofSupervisor code: [UInt8]) -> UInt64 { supervisorPage + Self.snippet + UInt64(code.count) + 2 }

    /// Where the vCPU is when the common code writes to `port`, and behind that.
    package var commonEnd: ClosedRange<UInt64> {
        let end = supervisorPage + Self.common + UInt64(commonCode.count) - 1
        return end - 2...end
    }

    /// 64-bit mode on the program's tables, with SSE; APIC base and the like stay as they are.
    private func prepared(_ special: kvm_sregs) -> kvm_sregs {
        var special = special
        special.cr0 = CR0.protection | 1 << 4 | CR0.monitorCoprocessor | CR0.writeProtect | CR0.paging
        special.cr3 = base
        special.cr4 = CR4.physicalAddressExtension | CR4.fxsave | 1 << 10
        special.efer = EFER.syscall | EFER.longModeEnable | EFER.longModeActive | EFER.noExecute
        special.gdt.base = supervisorPage
        special.gdt.limit = 7 * 8 - 1
        special.idt.base = supervisorPage + Self.interruptTable
        special.idt.limit = UInt16(Self.gates) * 16 - 1
        special.cs = .flat(Self.codeSelector, isCode: true)
        let data = kvm_segment.flat(Self.dataSelector, isCode: false)
        (special.ds, special.es, special.fs, special.gs, special.ss) = (data, data, data, data, data)
        special.tr = kvm_segment()
        special.tr.base = supervisorPage + Self.taskState
        special.tr.limit = 0x67
        special.tr.selector = Self.taskSelector
        special.tr.type = 0b1011
        special.tr.present = 1
        special.ldt = kvm_segment()
        special.ldt.unusable = 1
        return special
    }
}
