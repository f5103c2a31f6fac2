import Benchmark
import Caisson
import CaissonOptions
import HostIO

/// A command in a throwaway machine of Caisson's.
struct CaissonMachine: BenchEngine {
    let id = "caisson"
    let kind = BenchmarkReport.Engine.Kind.machine
    let program: (name: String, package: String)? = nil

    func ways(in space: BenchSpace, _ limits: BenchLimits) throws(CommandError) -> [EngineWay] {
        let path = try MachineProgram.locate().path
        return [
            EngineWay(title: "Caisson") { task throws(HostError) in
                var words = [path, "run", "--root", task.root.image.replacing(",", with: ",,") + ",fs=erofs"]
                words += ["--memory", "\(limits.memory)", "--cpus", "\(limits.processors.count)", "--network", "none"]
                words += ["--name", task.id]
                for word in BenchTask.environment { words += ["--env", word] }
                var invocation = Invocation(words + ["--"] + task.words)
                // Apart from the machines that people have running.
                invocation.set("CAISSON_SPACE", to: space.name)
                return invocation
            }
        ]
    }
}
