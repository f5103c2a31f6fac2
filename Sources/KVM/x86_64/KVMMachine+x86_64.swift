package import CLinux

extension KVMMachine {
    /// Reserves the four pages that KVM on Intel processors without unrestricted guests needs of the guest's address space.
    /// - Parameter base: of four free pages below 4 GiB: one for the identity map, three for the task state segment.
    /// - Throws: `requestFailed`.
    package func reservePages(at base: UInt64) throws(KVMError) {
        var identityMap = base
        try descriptor.request(CAISSON_KVM_SET_IDENTITY_MAP_ADDR, &identityMap, "KVM_SET_IDENTITY_MAP_ADDR")
        try descriptor.request(CAISSON_KVM_SET_TSS_ADDR, UInt(base + 0x1000), "KVM_SET_TSS_ADDR")
    }

    /// Makes the two 8259s, the IOAPIC and a local APIC a vCPU in the kernel, with the usual routes.
    /// - Throws: `requestFailed`.
    package func makeInterruptControllers() throws(KVMError) {
        try descriptor.request(CAISSON_KVM_CREATE_IRQCHIP, 0, "KVM_CREATE_IRQCHIP")
    }

    /// Makes the 8254 timer in the kernel, with port 0x61, whose speaker stays silent.
    /// - Throws: `requestFailed`.
    package func makeTimer() throws(KVMError) {
        var configuration = kvm_pit_config()
        configuration.flags = UInt32(KVM_PIT_SPEAKER_DUMMY)
        try descriptor.send(CAISSON_KVM_CREATE_PIT2, configuration, "KVM_CREATE_PIT2")
    }

    /// The clock that guests read through their paravirtual clock page; `clock` in nanoseconds.
    /// - Throws: `requestFailed`.
    package func clock() throws(KVMError) -> kvm_clock_data {
        try descriptor.receive(CAISSON_KVM_GET_CLOCK, kvm_clock_data(), "KVM_GET_CLOCK")
    }

    /// - Throws: `requestFailed`.
    package func setClock(nanoseconds: UInt64) throws(KVMError) {
        var data = kvm_clock_data()
        data.clock = nanoseconds
        try descriptor.send(CAISSON_KVM_SET_CLOCK, data, "KVM_SET_CLOCK")
    }

    /// Makes a guest's accesses to some model-specific registers exits, or none with nil.
    ///
    /// In a machine that has nothing yet this costs microseconds. After `setMemory` now and then, and shortly after
    /// `makeInterruptControllers` always, the kernel waits for what those left to do: 14 ms were measured.
    /// - Throws: `requestFailed`.
    package func filterMSRs(_ filter: MSRFilter?) throws(KVMError) {
        try enable(.userSpaceMSR, UInt64(KVM_MSR_EXIT_REASON_FILTER))
        var reads = filter?.allowedReads ?? 0
        var writes = filter?.allowedWrites ?? 0
        // SAFETY: both pointers are used during the ioctl, while their variables are in reach.
        try unsafe withUnsafeMutablePointer(to: &reads) { reads throws(KVMError) in
            try unsafe withUnsafeMutablePointer(to: &writes) { writes throws(KVMError) in
                var request = kvm_msr_filter()
                request.flags = UInt32(KVM_MSR_FILTER_DEFAULT_ALLOW)
                if let filter {
                    unsafe request.ranges.0 = kvm_msr_filter_range(
                        flags: UInt32(KVM_MSR_FILTER_READ), nmsrs: filter.count, base: filter.base, bitmap: reads)
                    unsafe request.ranges.1 = kvm_msr_filter_range(
                        flags: UInt32(KVM_MSR_FILTER_WRITE), nmsrs: filter.count, base: filter.base, bitmap: writes)
                }
                try unsafe check(
                    caisson_ioctl(descriptor.rawValue, CAISSON_KVM_X86_SET_MSR_FILTER.number, &request),
                    "KVM_X86_SET_MSR_FILTER")
            }
        }
    }
}
