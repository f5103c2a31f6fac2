import CaissonOptions
import HostIO
import ImageStore
import SystemPackage

/// A root file system with programs to measure, in each form that an engine wants.
struct BenchRoot {
    /// For containers. They only read it.
    let folder: String
    /// For a process, with /dev, /proc and a new /tmp; nil where this user may not change a process's root directory.
    let processFolder: String?
    /// The same as an EROFS file system, for machines.
    let image: String
    private let use: FileLock

    /// - Parameters:
    ///   - name: what is told apart by it from other roots.
    ///   - source: a directory or a tar archive, which stays as it is.
    init(_ name: String, from source: String, in space: BenchSpace) throws(CommandError) {
        let folder = try hosted { () throws(HostError) in try space.folder.folder(name) }
        let isDirectory = (try? Stat(FilePath(source)))?.type == .directory
        try space.run(isDirectory ? ["cp", "-a", "\(source)/.", folder] : ["tar", "-xf", source, "-C", folder])
        self.folder = folder
        processFolder = try hosted { () throws(HostError) in
            // What engines mount something on, or want to be there.
            for point in ["dev", "proc", "sys", "tmp", "etc", "run"] { try space.folder.folder("\(name)/\(point)") }
            return space.isPrivate ? try Self.makeProcessFolder("\(name)-process", of: folder, in: space) : nil
        }
        let store = ImageStore(at: "\(space.folder.path)/images")
        let image = try reporting { () throws(ImageStoreError) in
            _ = try store.importImage(ImageName(name), from: folder)
            return try store.image(named: name)
        }
        self.image = image.rootPath
        use = image.use
    }

    private static func makeProcessFolder(_ name: String, of folder: String, in space: BenchSpace) throws(HostError)
        -> String
    {
        let place = try space.folder.folder(name)
        try TemporaryFolder.mount(folder, at: place)
        try TemporaryFolder.mount("/dev", at: "\(place)/dev")
        try TemporaryFolder.mount("/proc", at: "\(place)/proc")
        try TemporaryFolder.mount("tmpfs", at: "\(place)/tmp", type: "tmpfs")
        return place
    }
}
