import Devices
import KVM

/// What an exit's handler needs of a vCPU: the data that belongs to the exit.
protocol ExitData: ~Copyable {
    func value(of access: VCPUExit.PortAccess, element: Int) -> UInt32
    func answer(_ access: VCPUExit.PortAccess, element: Int, _ value: UInt32)
    func answerMMIO(_ value: UInt64)
}

extension VCPU: ExitData {}

/// Takes the guest's accesses to its devices. Nothing on this path allocates, throws or counts references.
struct ExitHandler: Sendable {
    let ports: PortBus
    let memory: MMIOBus

    /// Performs the access that an exit is for. False if it is for none: the machine, not a device, has to act.
    @inline(__always)
    func perform<Data: ExitData & ~Copyable>(_ exit: VCPUExit, on data: borrowing Data) -> Bool {
        switch exit {
        case .portWrite(let access):
            for element in 0..<access.count {
                ports.write(
                    port: access.port, width: access.width, value: data.value(of: access, element: element))
            }
        case .portRead(let access):
            for element in 0..<access.count {
                data.answer(access, element: element, ports.read(port: access.port, width: access.width))
            }
        case .mmioWrite(let address, let width, let value):
            memory.write(address: address, width: width, value: value)
        case .mmioRead(let address, let width):
            data.answerMMIO(memory.read(address: address, width: width))
        default:
            return false
        }
        return true
    }
}
