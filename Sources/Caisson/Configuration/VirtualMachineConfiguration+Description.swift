import HostIO
import SystemPackage

extension VirtualMachineConfiguration {
    /// The machine that a description is of.
    package init(_ description: MachineDescription) {
        func image(_ file: MachineDescription.FileReference) -> LinuxBootLoader.Image {
            .open(descriptor: file.descriptor, name: file.path)
        }
        var loader = LinuxBootLoader(
            kernel: image(description.kernel), ramdisks: description.ramdisks.map(image))
        switch description.commandLine {
        case .extendingDefaults(let words): loader.commandLine = words
        case .replacingDefaults(let words):
            loader.commandLine = words
            loader.usesDefaultCommandLine = false
        }
        self.init(bootLoader: loader)
        name = description.name
        cpuCount = description.processorCount
        cpuQuota = description.cpuQuota
        cpuAffinity = description.cpuAffinity
        memorySize = description.memorySize
        memoryBacking = description.memoryBacking
        serialPorts = [SerialPortConfiguration(attachment: SpecifiedSerialPortAttachment(description.console))]
        if !description.consolePorts.isEmpty {
            let ports = description.consolePorts.map(VirtioConsolePortConfiguration.init)
            consoleDevices = [VirtioConsoleDeviceConfiguration(ports: ports)]
        }
        storageDevices = description.disks.map(VirtioBlockDeviceConfiguration.init)
        networkDevices = description.networks.map(VirtioNetworkDeviceConfiguration.init)
        entropyDevices = [VirtioEntropyDeviceConfiguration()]
        if let target = description.balloonTarget {
            var balloon = VirtioTraditionalMemoryBalloonDeviceConfiguration()
            balloon.targetVirtualMachineMemorySize = target
            memoryBalloonDevices = [balloon]
        }
        socketDevices = description.socket.map { [VirtioSocketDeviceConfiguration($0)] } ?? []
        directorySharingDevices = description.shares.enumerated().map { index, share in
            let directory = SharedDirectory(path: FilePath(share.hostPath), readOnly: share.isReadOnly)
            return VirtioFileSystemDeviceConfiguration(
                tag: MachineDescription.shareTag(index), share: SingleDirectoryShare(directory: directory))
        }
        rootFileSystem = description.rootFileSystem
        copiedFiles = description.copiedFiles
        // By it the agent is asked.
        if description.hasAgent, socketDevices.isEmpty { socketDevices = [VirtioSocketDeviceConfiguration()] }
        hardwareDescription = description.hardware
        restartsOnReset = description.restartsOnReset
        hasDebugExitPort = description.debugExit
    }
}
