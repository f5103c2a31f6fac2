import CLinux
import Devices
import KVM
import Logging
import SoftwareKVM

/// The loop that runs a vCPU.
struct VCPURun: Sendable {
    let handler: ExitHandler
    let ending: MachineEnding
    let logger: Logger

    /// Runs the guest until its machine is to end. Returns why, or nil if `interrupted` decided it.
    /// - Parameter interrupted: carries out what was ordered; false ends the loop.
    /// - Throws: `hostFailure`, `guestNotExecutable`.
    func loop(
        _ vcpu: inout VCPU, _ repair: inout HostRepair, _ counters: ProcessorCounters,
        interrupted: (borrowing VCPU) throws(KVMError) -> Bool
    ) throws(VirtualMachineError) -> MachineEnd? {
        while true {
            let exit: VCPUExit
            do { exit = try vcpu.run() } catch { throw VirtualMachineError(error) }
            if handler.perform(exit, on: vcpu) {
                counters.countAccess(exit)
                continue
            }
            if exit == .interrupted {
                counters.countInterruption()
                vcpu.acknowledgeKick()
                let goesOn = try onHost { () throws(KVMError) in
                    if repair.quirks.needRepair { try repair.refresh(on: vcpu) }
                    return try interrupted(vcpu)
                }
                if !goesOn { return nil }
            } else {
                if let end = try act(on: exit, of: &vcpu, &repair) { return end }
                // Of what lets the guest go on, there is nothing else.
                counters.countRepair()
            }
        }
    }

    /// Acts on an exit that is for no device. Nil lets the vCPU go on.
    private func act(
        on exit: VCPUExit, of vcpu: inout VCPU, _ repair: inout HostRepair
    ) throws(VirtualMachineError) -> MachineEnd? {
        switch exit {
        case .debug:
            let isOurs = try onHost { () throws(KVMError) in try repair.debugExit(on: vcpu) }
            guard isOurs else { throw unexpected("a debug exit that nobody asked for") }
        case .msrWrite(let index, let value):
            do throws(KVMError) {
                vcpu.answerMSRWrite(isAccepted: try repair.writeMSR(index, value, on: vcpu) == .done)
                // Not from the start: every exit pays for it.
                if repair.needsRegistersOften, try vcpu.synchronizeRegisters() {
                    // That forgot kicks: have the next run end at once, and orders looked at.
                    vcpu.kick()
                }
            } catch { throw VirtualMachineError(error) }
        case .msrRead(let index):
            vcpu.answerMSRRead(repair.readMSR(index))
        case .emulationFailed:
            let reported = InstructionBytes(vcpu.failedInstruction)
            let diagnosis = try onHost { () throws(KVMError) in
                try repair.emulationFailed(on: vcpu, reported: reported)
            }
            if let diagnosis { throw VirtualMachineError(diagnosis) }
        case .shutdown:
            return .crash(.tripleFault)
        case .systemEvent(let type):
            switch Int32(bitPattern: type) {
            case KVM_SYSTEM_EVENT_SHUTDOWN: return .powerOff(.systemEvent)
            case KVM_SYSTEM_EVENT_RESET: return .reset(.resetControl)
            case KVM_SYSTEM_EVENT_CRASH: return .crash(.panic)
            default: throw unexpected("system event \(type)")
            }
        case .halt:
            return .powerOff(.halt)
        case .internalError(let suberror):
            throw unexpected("KVM_EXIT_INTERNAL_ERROR, suberror \(suberror)")
        case .entryFailed(let reason):
            throw unexpected("the processor refused to enter the guest, reason 0x\(String(reason, radix: 16))")
        case .unexpected(let reason):
            throw unexpected("exit reason \(reason)")
        case .portRead, .portWrite, .mmioRead, .mmioWrite, .interrupted:
            break
        }
        return nil
    }

    private func unexpected(_ what: String) -> VirtualMachineError {
        VirtualMachineError(.hostFailure, "KVM stopped the guest: \(what)")
    }
}
