/// The registers of virtio over MMIO, version 2, by offset (virtio 1.2, section 4.2.2). All are 32 bits wide.
enum MMIORegister: UInt64 {
    case magic = 0x000
    case version = 0x004
    case deviceID = 0x008
    case vendorID = 0x00c
    case deviceFeatures = 0x010
    case deviceFeaturesSelect = 0x014
    case driverFeatures = 0x020
    case driverFeaturesSelect = 0x024
    case queueSelect = 0x030
    case queueSizeMaximum = 0x034
    case queueSize = 0x038
    case queueReady = 0x044
    case queueNotify = 0x050
    case interruptStatus = 0x060
    case interruptAcknowledge = 0x064
    case status = 0x070
    case descriptorTableLow = 0x080
    case descriptorTableHigh = 0x084
    case driverAreaLow = 0x090
    case driverAreaHigh = 0x094
    case deviceAreaLow = 0x0a0
    case deviceAreaHigh = 0x0a4
    case sharedMemoryLengthLow = 0x0b0
    case sharedMemoryLengthHigh = 0x0b4
    case sharedMemoryBaseLow = 0x0b8
    case sharedMemoryBaseHigh = 0x0bc
    case configurationGeneration = 0x0fc

    /// Where the device's configuration space begins.
    static let configuration: UInt64 = 0x100
}
