/// What a guest cannot find out by itself about its machine.
package struct HardwareDescription: Equatable, Sendable {
    /// A virtio device over MMIO.
    package struct VirtioWindow: Equatable, Sendable {
        /// Where its registers are.
        package let address: UInt32
        /// Bytes of registers.
        package let size: UInt32
        /// Its interrupt line, edge-triggered.
        package let gsi: UInt32

        package init(address: UInt32, size: UInt32, gsi: UInt32) {
            self.address = address
            self.size = size
            self.gsi = gsi
        }
    }

    /// 1 to 254, with APIC ids from 0 on.
    package var processorCount: Int
    /// The first of two ports, for sleep control and sleep status.
    package var sleepControlPort: UInt16
    /// The type of sleep by which a guest switches off.
    package var powerOffSleepType: UInt8
    /// The line of the power button, edge-triggered.
    package var powerButtonGSI: UInt32
    /// Whether COM1 is there.
    package var hasSerialPort = true
    package var virtioWindows: [VirtioWindow] = []

    package init(
        processorCount: Int, sleepControlPort: UInt16, powerOffSleepType: UInt8, powerButtonGSI: UInt32
    ) {
        self.processorCount = processorCount
        self.sleepControlPort = sleepControlPort
        self.powerOffSleepType = powerOffSleepType
        self.powerButtonGSI = powerButtonGSI
    }
}
