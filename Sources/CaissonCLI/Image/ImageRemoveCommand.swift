import ArgumentParser
import CaissonOptions
import ImageStore

/// `caisson image remove`
struct ImageRemoveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Removes images that no machine runs from; all of those named, or none.")

    @Argument(help: ArgumentHelp("The images.", valueName: "name"))
    var names: [String]

    func run() throws {
        let store = try ImageStore.located()
        _ = try reporting { () throws(ImageStoreError) in try store.remove(names) }
    }
}

/// `caisson image prune`
struct ImagePruneCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune", abstract: "Frees what no image needs any more.",
        discussion: "That is what a machine still ran from when its image's name was given to another one.")

    func run() throws {
        let store = try ImageStore.located()
        let freed = try reporting { () throws(ImageStoreError) in try store.prune() }
        print("freed \(roundedSize(freed))")
    }
}
