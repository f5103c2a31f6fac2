import CLinux

/// A KVM extension, by the kernel's number (`KVM_CAP_*` in linux/kvm.h).
package struct Capability: RawRepresentable, Hashable, Sendable {
    package let rawValue: Int32
    package init(rawValue: Int32) { self.rawValue = rawValue }

    package static let irqchip = Capability(rawValue: KVM_CAP_IRQCHIP)
    package static let userMemory = Capability(rawValue: KVM_CAP_USER_MEMORY)
    package static let setTSSAddress = Capability(rawValue: KVM_CAP_SET_TSS_ADDR)
    package static let extendedCPUID = Capability(rawValue: KVM_CAP_EXT_CPUID)
    package static let recommendedVCPUs = Capability(rawValue: KVM_CAP_NR_VCPUS)
    package static let maximumVCPUs = Capability(rawValue: KVM_CAP_MAX_VCPUS)
    package static let memorySlots = Capability(rawValue: KVM_CAP_NR_MEMSLOTS)
    package static let irqRouting = Capability(rawValue: KVM_CAP_IRQ_ROUTING)
    package static let irqfd = Capability(rawValue: KVM_CAP_IRQFD)
    package static let pit2 = Capability(rawValue: KVM_CAP_PIT2)
    package static let ioeventfd = Capability(rawValue: KVM_CAP_IOEVENTFD)
    package static let identityMapAddress = Capability(rawValue: KVM_CAP_SET_IDENTITY_MAP_ADDR)
    package static let adjustClock = Capability(rawValue: KVM_CAP_ADJUST_CLOCK)
    package static let internalErrorData = Capability(rawValue: KVM_CAP_INTERNAL_ERROR_DATA)
    package static let vcpuEvents = Capability(rawValue: KVM_CAP_VCPU_EVENTS)
    package static let guestDebug = Capability(rawValue: KVM_CAP_SET_GUEST_DEBUG)
    package static let xsave = Capability(rawValue: KVM_CAP_XSAVE)
    package static let tscDeadlineTimer = Capability(rawValue: KVM_CAP_TSC_DEADLINE_TIMER)
    package static let getTSCFrequency = Capability(rawValue: KVM_CAP_GET_TSC_KHZ)
    package static let signalMSI = Capability(rawValue: KVM_CAP_SIGNAL_MSI)
    package static let ioeventfdAnyLength = Capability(rawValue: KVM_CAP_IOEVENTFD_ANY_LENGTH)
    package static let splitIRQChip = Capability(rawValue: KVM_CAP_SPLIT_IRQCHIP)
    package static let immediateExit = Capability(rawValue: KVM_CAP_IMMEDIATE_EXIT)
    package static let syncRegisters = Capability(rawValue: KVM_CAP_SYNC_REGS)
    package static let userSpaceMSR = Capability(rawValue: KVM_CAP_X86_USER_SPACE_MSR)
    package static let msrFilter = Capability(rawValue: KVM_CAP_X86_MSR_FILTER)
    package static let dirtyLogRing = Capability(rawValue: KVM_CAP_DIRTY_LOG_RING)
    package static let exitOnEmulationFailure = Capability(rawValue: KVM_CAP_EXIT_ON_EMULATION_FAILURE)

    /// What a machine cannot do without, with the names that an error tells.
    package static let required: [(capability: Capability, name: String)] = [
        (.userMemory, "KVM_CAP_USER_MEMORY"), (.irqchip, "KVM_CAP_IRQCHIP"), (.pit2, "KVM_CAP_PIT2"),
        (.extendedCPUID, "KVM_CAP_EXT_CPUID"), (.irqRouting, "KVM_CAP_IRQ_ROUTING"),
        (.immediateExit, "KVM_CAP_IMMEDIATE_EXIT"),
    ]

    /// What makes a machine faster or more capable where it is present.
    package static let useful: [(capability: Capability, name: String)] = [
        (.irqfd, "KVM_CAP_IRQFD"), (.ioeventfd, "KVM_CAP_IOEVENTFD"),
        (.ioeventfdAnyLength, "KVM_CAP_IOEVENTFD_ANY_LENGTH"), (.signalMSI, "KVM_CAP_SIGNAL_MSI"),
        (.splitIRQChip, "KVM_CAP_SPLIT_IRQCHIP"), (.syncRegisters, "KVM_CAP_SYNC_REGS"),
        (.userSpaceMSR, "KVM_CAP_X86_USER_SPACE_MSR"), (.msrFilter, "KVM_CAP_X86_MSR_FILTER"),
        (.tscDeadlineTimer, "KVM_CAP_TSC_DEADLINE_TIMER"), (.adjustClock, "KVM_CAP_ADJUST_CLOCK"),
        (.guestDebug, "KVM_CAP_SET_GUEST_DEBUG"), (.vcpuEvents, "KVM_CAP_VCPU_EVENTS"),
        (.xsave, "KVM_CAP_XSAVE"), (.internalErrorData, "KVM_CAP_INTERNAL_ERROR_DATA"),
        (.dirtyLogRing, "KVM_CAP_DIRTY_LOG_RING"),
    ]
}
