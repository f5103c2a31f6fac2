import GuestMemory
import LinuxBoot

/// One input is a kernel file. It is refused, or it is loaded inside a small machine's RAM; whatever else traps.
@_cdecl("LLVMFuzzerTestOneInput")
public func loadKernel(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    for bootProtocol in [nil, BootProtocol.pvh] {
        var loader = BootLoader(kernel: ByteArrayBootImage(bytes, name: "kernel"))
        loader.ramdisks = [ByteArrayBootImage([1, 2, 3], name: "ramdisk")]
        loader.bootProtocol = bootProtocol
        loader.memoryIsZeroed = true
        guard let guest = try? loader.load(into: machine) else { continue }
        for range in [guest.info.kernelRange] + guest.info.ramdiskRanges {
            precondition(machine.contains(GuestAddress(range.start), count: range.count))
        }
        precondition(guest.info.kernelRange.contains(guest.state.rip))
    }
    return 0
}

private let machine: GuestMemory = {
    do { return try GuestMemory(size: 8 << 20) } catch { fatalError("\(error)") }
}()
