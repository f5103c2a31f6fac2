import CaissonOptions
import ImageStore

extension RunOptions {
    /// Opens what the machine needs and becomes its process, which runs from an image or a file.
    mutating func start(from text: String) throws(CommandError) {
        guard root == nil else {
            throw .usage("'\(text)' and --root both name a root file system: give one of them")
        }
        if text.contains("/") {
            // A comma in a path is written twice there.
            root = text.replacing(",", with: ",,")
        } else {
            let image = try Self.image(text)
            // The machine's process keeps it in the store, too.
            try reporting { () throws(ImageStoreError) in try image.use.holdUntilProcessEnds() }
            apply(image)
            return try start(image: image)
        }
        try start()
    }

    private static func image(_ name: String) throws(CommandError) -> StoredImage {
        do throws(CommandError) {
            let store = try ImageStore.located()
            return try reporting { () throws(ImageStoreError) in try store.image(named: name) }
        } catch {
            // There is always a command in an image.
            guard case .failure(let message) = error else { throw error }
            throw .commandFailure(message)
        }
    }

    private mutating func apply(_ image: StoredImage) {
        guest = image.name
        root = image.rootPath.replacing(",", with: ",,") + ",fs=\(image.fileSystem.rawValue)"
        if image.partition > 0 { root?.append(",partition=\(image.partition)") }
        apply(image.configuration)
    }

    /// Takes what an image says of its command where the user says nothing.
    mutating func apply(_ configuration: ImageConfiguration) {
        command = configuration.entrypoint + (command.isEmpty ? configuration.command : command)
        // The last word of a name wins: the user's. A name without a value would take one from this host, for the user's words alone.
        env = configuration.environment.filter(Self.isAssignment) + env
        if user == nil, !configuration.user.isEmpty { user = configuration.user }
        if workdir == nil, !configuration.workingDirectory.isEmpty {
            let path = configuration.workingDirectory
            workdir = path.hasPrefix("/") ? path : "/" + path
        }
    }

    private static func isAssignment(_ word: String) -> Bool {
        guard let index = word.utf8.firstIndex(of: UInt8(ascii: "=")) else { return false }
        return index > word.startIndex && !word.utf8.contains(0)
    }
}
