import CLinux

/// Where an interrupt that is raised by its number (GSI) goes.
package enum InterruptRoute: Equatable, Sendable {
    /// A pin of one of the two 8259s (8 each) or of the IOAPIC (24).
    case pin(gsi: UInt32, chip: InterruptChip, pin: UInt32)
    /// A message to a local APIC.
    case message(gsi: UInt32, address: UInt64, data: UInt32)
}

package enum InterruptChip: UInt32, Sendable {
    case primaryPIC = 0
    case secondaryPIC = 1
    case ioAPIC = 2
}

extension KVMMachine {
    /// Sets the level of an interrupt line.
    /// - Throws: `requestFailed`, without an interrupt controller in the kernel.
    package func setInterrupt(gsi: UInt32, isAsserted: Bool) throws(KVMError) {
        var request = kvm_irq_level()
        request.irq = gsi
        request.level = isAsserted ? 1 : 0
        try descriptor.send(CAISSON_KVM_IRQ_LINE, request, "KVM_IRQ_LINE")
    }

    /// Replaces all routes, those that `makeInterruptControllers` set up included.
    /// - Throws: `requestFailed`.
    package func setRoutes(_ routes: [InterruptRoute]) throws(KVMError) {
        let table = TrailingArray(routes.map(\.entry))
        try descriptor.request(CAISSON_KVM_SET_GSI_ROUTING, table, "KVM_SET_GSI_ROUTING")
    }

    /// Sends a message-signalled interrupt. False when no local APIC took it.
    /// - Throws: `requestFailed`.
    @discardableResult
    package func sendMessage(address: UInt64, data: UInt32) throws(KVMError) -> Bool {
        var request = kvm_msi()
        request.address_lo = UInt32(truncatingIfNeeded: address)
        request.address_hi = UInt32(truncatingIfNeeded: address >> 32)
        request.data = data
        return try descriptor.request(CAISSON_KVM_SIGNAL_MSI, &request, "KVM_SIGNAL_MSI") > 0
    }

    /// Raises an edge on `gsi` whenever `event`, an eventfd, is signalled (irqfd).
    /// - Throws: `requestFailed`.
    package func connectInterrupt(gsi: UInt32, to event: Int32) throws(KVMError) {
        try setInterruptEvent(gsi, event, flags: 0)
    }

    /// Undoes `connectInterrupt`.
    /// - Throws: `requestFailed`.
    package func disconnectInterrupt(gsi: UInt32, from event: Int32) throws(KVMError) {
        try setInterruptEvent(gsi, event, flags: UInt32(KVM_IRQFD_FLAG_DEASSIGN))
    }

    private func setInterruptEvent(_ gsi: UInt32, _ event: Int32, flags: UInt32) throws(KVMError) {
        var request = kvm_irqfd()
        request.fd = UInt32(bitPattern: event)
        request.gsi = gsi
        request.flags = flags
        try descriptor.send(CAISSON_KVM_IRQFD, request, "KVM_IRQFD")
    }
}

extension InterruptRoute {
    fileprivate var entry: kvm_irq_routing_entry {
        var entry = kvm_irq_routing_entry()
        // SAFETY: each case writes the member of the union that its type names; all are plain integers.
        switch self {
        case .pin(let gsi, let chip, let pin):
            entry.gsi = gsi
            entry.type = UInt32(KVM_IRQ_ROUTING_IRQCHIP)
            unsafe entry.u.irqchip.irqchip = chip.rawValue
            unsafe entry.u.irqchip.pin = pin
        case .message(let gsi, let address, let data):
            entry.gsi = gsi
            entry.type = UInt32(KVM_IRQ_ROUTING_MSI)
            unsafe entry.u.msi.address_lo = UInt32(truncatingIfNeeded: address)
            unsafe entry.u.msi.address_hi = UInt32(truncatingIfNeeded: address >> 32)
            unsafe entry.u.msi.data = data
        }
        return entry
    }
}
