import CLinux
import Devices
import HostIO

/// The devices of a machine, on their buses.
struct Platform: Sendable {
    let ports: PortBus
    let memory: MMIOBus
    let serial: Serial16550A?
    let powerButton: PowerButton

    /// - Throws: `hostFailure`.
    init(
        machine: MachineHandle, ending: MachineEnding, console: ConsoleLine?, loop: EventLoop, hasDebugExitPort: Bool,
        virtio: [VirtioSlot]
    ) throws(VirtualMachineError) {
        let keyboard = KeyboardController(interrupt: GSILine(machine, gsi: 1), events: ending)
        powerButton = PowerButton(interrupt: GSILine(machine, gsi: HardwarePlan.powerButtonGSI))
        let clock = try Self.makeClock(machine: machine, loop: loop)
        var registrations: [PortBus.Registration] = [
            .init(clock, at: 0x70...0x71),
            .init(keyboard, at: 0x60...0x60), .init(keyboard, at: 0x64...0x64, base: 0x60),
            .init(SystemControlPortA(events: ending), at: 0x92...0x92),
            .init(PCIConfigurationPorts(events: ending), at: 0xcf8...0xcff),
            .init(PanicNotifier(events: ending), at: 0x505...0x505),
            .init(
                SleepControlPorts(events: ending),
                at: HardwarePlan.sleepControlPort...HardwarePlan.sleepControlPort + 1),
            .init(QuietPorts(), at: 0x80...0x80), .init(QuietPorts(), at: 0xed...0xed),
        ]
        if hasDebugExitPort {
            registrations.append(.init(DebugExitPort(events: ending), at: 0xf4...0xf7))
        }
        if let console {
            let serial = Serial16550A(interrupt: GSILine(machine, gsi: 4), backend: console)
            registrations.append(.init(serial, at: 0x3f8...0x3ff))
            self.serial = serial
        } else {
            serial = nil
        }
        do {
            ports = try PortBus(registrations)
            memory = try MMIOBus(
                virtio.map { slot in
                    let first = slot.window.address
                    return .init(slot.transport, at: first...first + VirtioMMIOTransport.windowSize - 1)
                })
        } catch {
            preconditionFailure("the platform's devices overlap: \(error)")
        }
    }

    private static func makeClock(machine: MachineHandle, loop: EventLoop) throws(VirtualMachineError) -> CMOSClock {
        let alarm: DeviceAlarm
        do { alarm = try DeviceAlarm(on: loop) } catch { throw VirtualMachineError(error) }
        let clock = CMOSClock(interrupt: GSILine(machine, gsi: 8), timer: alarm, now: timeOfDay)
        alarm.setHandler { [weak clock] in clock?.timerExpired() }
        return clock
    }

    @Sendable private static func timeOfDay() -> WallTime {
        var time = timespec()
        // SAFETY: the kernel stores the time during the call, which cannot fail for this clock.
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        return WallTime(seconds: Int64(time.tv_sec), nanoseconds: UInt32(time.tv_nsec))
    }
}
