// Boots a Linux kernel with its console on standard input and output: boot-linux KERNEL [INITRAMFS]

import Caisson
import SystemPackage

@main
enum BootLinux {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst().map { FilePath($0) }
        guard let kernel = arguments.first else { return print("usage: boot-linux KERNEL [INITRAMFS]") }
        let loader = LinuxBootLoader(kernel: kernel, initialRamdisk: arguments.dropFirst().first)
        var configuration = VirtualMachineConfiguration(bootLoader: loader)
        configuration.memorySize = 128 << 20
        configuration.serialPorts = [.init(attachment: FileHandleSerialPortAttachment.standardStreams)]
        let machine = try VirtualMachine(configuration: configuration)
        try await machine.start()
        print("the machine ended: \(try await machine.waitUntilStopped())")
    }
}
