import CLinux
import SystemPackage

extension ImageStore {
    /// Makes an image of a directory, a tar archive, an OCI layout, an archive for `docker load`, or a disk.
    /// - Parameters:
    ///   - name: what it will be called; an image that has the name loses it.
    ///   - source: a path, or `-` for an archive on standard input.
    ///   - tag: which image, of a source that has several.
    package func importImage(
        _ name: ImageName, from source: String, tag: String? = nil, limits: ImportLimits = ImportLimits(),
        progress: @escaping ImportProgress = { _, _ in }
    ) throws(ImageStoreError) -> ImageRecord {
        try prepare()
        let budget = ImportBudget(limits, progress: progress)
        budget.begin(.reading)
        let file = try SourceFile(source)
        let form = try SourceForm(of: file)
        if tag != nil, !form.canHaveTags {
            throw .source(source, problem: "it is \(form.name), which has no tags: leave out --tag")
        }
        switch form {
        case .directory:
            let spool = try Spool(in: path)
            let entries = try DirectoryReader(source, into: spool, within: budget).read()
            return try make(name, Contents(archive: entries, spool, of: source), source: file.path, budget)
        case .ociLayout:
            let spool = try Spool(in: path)
            let contents = try Contents(
                OCIImage(layout: HostDirectory(name: source), tag: tag), HostDirectory(name: source), spool, budget)
            return try make(name, contents, source: file.path, budget)
        case .archive:
            let stream = DescriptorSource(stream: file, idle: { budget.advance(0) })
            let contents = try Contents(archive: stream, of: file.path, tag: tag, in: path, within: budget)
            return try make(name, contents, source: file.path, budget)
        case .disk(let layout): return try keep(name, file, layout, budget)
        case .qcow2: return try convert(name, file, budget)
        }
    }

    /// Writes the file system of an image and takes it in.
    func make(
        _ name: ImageName, _ contents: Contents, source: String, _ budget: ImportBudget
    ) throws(ImageStoreError) -> ImageRecord {
        guard !contents.tree.isEmpty else { throw .source(source, problem: "it has no files") }
        let file = try write(contents, source: source, budget)
        return try takeIn(
            name, file, DiskLayout(fileSystem: .erofs, partition: 0), source: source,
            configuration: contents.configuration, budget)
    }

    /// Writes a file system.
    func write(_ contents: Contents, source: String, _ budget: ImportBudget) throws(ImageStoreError) -> UnnamedFile {
        budget.begin(.building)
        let file = try UnnamedFile(in: path)
        do {
            let writer = try ErofsWriter(contents.tree, contents.spool)
            try writer.write(to: file, advance: budget.advance)
        } catch let error as FileTreeError {
            throw .source(source, problem: "\(error)")
        } catch let error as ImageStoreError {
            throw error
        } catch {
            throw .source(source, problem: "\(error)")
        }
        return file
    }

    /// Keeps a disk as it is.
    private func keep(
        _ name: ImageName, _ source: SourceFile, _ layout: DiskLayout, _ budget: ImportBudget
    ) throws(ImageStoreError) -> ImageRecord {
        try source.lock()
        let file = try UnnamedFile(in: path)
        if !file.clone(source.descriptor) {
            let whole = Extent(offset: 0, count: source.size)
            try file.copy(
                from: source.descriptor, named: source.path, whole, to: 0, moved: budget.advance)
            try file.setSize(whole.count)
        }
        return try takeIn(name, file, layout, source: source.path, configuration: ImageConfiguration(), budget)
    }

    /// Finds the digest of a whole file and gives it its name.
    func takeIn(
        _ name: ImageName, _ file: UnnamedFile, _ layout: DiskLayout, source: String,
        configuration: ImageConfiguration, _ budget: ImportBudget
    ) throws(ImageStoreError) -> ImageRecord {
        budget.begin(.checking)
        let size = try file.size
        let bytes = HashedSource(DescriptorSource(Extent(offset: 0, count: size), of: file, name: path))
        let digest = try bytes.finish(advance: budget.advance)
        let record = ImageRecord(
            name: name, digest: digest, layout: layout, size: size, source: source,
            configuration: configuration, created: Int64(time(nil)))
        try commit(file, record)
        return record
    }
}

extension ImageStore {
    /// The files of an image to be, and what it says of its command.
    struct Contents {
        var tree: FileTree
        var spool: Spool
        var configuration: ImageConfiguration

        init(archive entries: [LayerEntry], _ spool: Spool, of source: String) throws(ImageStoreError) {
            var tree = FileTree()
            do {
                try tree.apply(archive: entries)
            } catch {
                throw .source(source, problem: "\(error)")
            }
            self.tree = tree
            self.spool = spool
            configuration = ImageConfiguration()
        }

        init(
            _ image: OCIImage, _ folder: some BlobFolder, _ spool: Spool, _ budget: ImportBudget
        ) throws(ImageStoreError) {
            tree = try image.tree(from: folder, into: spool, within: budget)
            self.spool = spool
            configuration = image.configuration.imageConfiguration
        }

        /// Reads an archive, and the image in it if it is an OCI layout's or one for `docker load`.
        init(
            archive stream: any ByteSource, of source: String, tag: String?, in directory: String,
            within budget: ImportBudget
        ) throws(ImageStoreError) {
            let spool = try Spool(in: directory)
            let content = WatchedSource(try UnpackedSource(stream, name: source))
            let (entries, byteCount) = try TarReader(content, name: source, into: spool, within: budget).read()
            guard try content.isWhole(after: byteCount) else {
                throw .source(source, problem: "it is cut off: it does not end as an archive does")
            }
            self = try Contents(archive: entries, spool, of: source)
            let folder = ArchivedFolder(name: source, tree: tree, spool: spool)
            if let image = try OCIImage(in: folder, tag: tag) {
                // Blobs and the files in them share a spool, which has no more of the blobs than it must.
                self = try Contents(image, folder, spool, budget)
            } else if tag != nil {
                throw .source(source, problem: "it is an archive of files, which has no tags: leave out --tag")
            }
        }
    }
}
