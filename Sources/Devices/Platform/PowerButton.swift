/// The power button, as hardware-reduced ACPI has it: an edge on an interrupt line, which the guest's tables tie to a
/// notification. Source: ACPI 6.5, 5.6.9.
package final class PowerButton: Sendable {
    private let interrupt: any InterruptLine

    package init(interrupt: any InterruptLine) { self.interrupt = interrupt }

    /// Presses it. From any thread; presses that the guest has not seen yet may be one.
    package func press() {
        interrupt.set(true)
        interrupt.set(false)
    }
}
