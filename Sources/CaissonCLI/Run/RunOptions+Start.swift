import Caisson
import CaissonOptions
import HostIO
import ImageStore
import Logging
import SystemPackage

extension RunOptions {
    /// Opens what the machine needs and becomes its process.
    /// - Parameter image: its root file system, if that is one.
    func start(image: StoredImage? = nil) throws(CommandError) {
        do throws(CommandError) { try becomeMachine(image) } catch {
            guard !command.isEmpty, case .failure(let message) = error else { throw error }
            throw .commandFailure(message)
        }
    }

    private func becomeMachine(_ image: StoredImage?) throws(CommandError) {
        HostProcess.openStandardStreams()
        let progress = ProgressLine(onTerminal: ())
        defer { progress.end() }
        let description = try describe(with: preparation(image, progress))
        progress.end()
        let program = try MachineProgram.locate()
        if description.logLevel <= .debug {
            let words = [program.path] + description.arguments
            _ = try? FileDescriptor.standardError.writeAll("caisson: debug: starting \(words)\n".utf8)
        }
        throw program.become(description.arguments)
    }

    private func preparation(_ image: StoredImage?, _ progress: ProgressLine) -> HostPreparation {
        HostPreparation(
            pack: { copy throws(CommandError) in
                let store = try ImageStore.located()
                return try reporting { () throws(ImageStoreError) in
                    try store.pack(copy.source, progress: progress.update).pathOverExec()
                }
            },
            makeLayer: { layer throws(CommandError) in
                try reporting { () throws(ImageStoreError) in
                    try KeptLayer.prepare(
                        layer.path, size: layer.size,
                        for: image.map(KeptLayer.Owner.init) ?? .init(file: root ?? "another"))
                }
            })
    }
}
