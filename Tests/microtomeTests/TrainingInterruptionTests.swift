import Basics
import Checkpoints
import Foundation
import TestSupport
import Testing

/// However a training is stopped, going on with it gives what it would have given.
@Suite struct TrainingInterruptionTests {
  /// What a fold's training and validation leave, apart from times.
  private struct Outcome: Equatable {
    var weights: [String: [Float]] = [:]
    var momenta: [[Float]] = []
    var losses: [Double] = []
    /// Of `validation/`.
    var files: [String: [UInt8]] = [:]

    init(_ place: TrainingPlace) throws {
      let checkpoint = try TorchCheckpoint.open(place.fold0("checkpoint_final.pth"))
      for (name, tensor) in checkpoint.networkWeights.tensors { weights[name] = try tensor.floats() }
      for (_, entry) in checkpoint.root["optimizer_state"]?["state"]?.dictionary?.entries ?? [] {
        if let momentum = entry["momentum_buffer"]?.tensor { momenta.append(try momentum.floats()) }
      }
      for list in ["train_losses", "val_losses", "ema_fg_dice"] {
        // NaN is not equal to itself.
        let values = checkpoint.root["logging"]?[list]?.sequence ?? []
        losses += values.compactMap { value in value.double.map { $0.isNaN ? -9 : $0 } }
      }
      for name in try Path.list(place.fold0("validation")) {
        files[name] = try Path.read(place.fold0("validation/\(name)"))
      }
    }
  }

  private static let options = ["--epochs", "4", "--npz"]

  /// Trains without interruption, then moves the results out of the way.
  private func undisturbed(_ place: TrainingPlace) throws -> Outcome {
    let run = try place.train(Self.options)
    try #require(run.status == 0, "\(run.errors)")
    let outcome = try Outcome(place)
    #expect(outcome.momenta.count > 10 && outcome.losses.count == 12 && outcome.files["summary.json"] != nil)
    Path.removeTree(place.results)
    return outcome
  }

  private func finish(_ place: TrainingPlace, like whole: Outcome) throws {
    let run = try place.train(Self.options + ["-c"])
    #expect(run.status == 0, "\(run.errors)")
    let outcome = try Outcome(place)
    #expect(outcome.weights == whole.weights && outcome.momenta == whole.momenta && outcome.losses == whole.losses)
    #expect(outcome.files == whole.files, "\(outcome.files.keys.sorted())")
    #expect(place.names(place.fold0("")).allSatisfy { !$0.hasPrefix(".") }, "\(place.names(place.fold0("")))")
    #expect(!Path.exists(place.fold0("checkpoint_latest.pth")))
  }

  @Test func killedTrainingsGoOn() throws {
    let place = try TrainingPlace()
    let whole = try undisturbed(place)
    var generator = SeededGenerator(seed: 17)
    // The moments lie anywhere in an epoch, the loading of a checkpoint and the writing of files included.
    for attempt in 0..<6 {
      let began = Date()
      let delay = Double.random(in: 0.1...1, using: &generator)
      let killed = try place.train(
        Self.options + (attempt == 0 ? [] : ["-c"]), signal: .kill { Date().timeIntervalSince(began) > delay })
      #expect(killed.status == 137 || killed.status == 0, "\(killed.errors)")
    }
    try finish(place, like: whole)
  }

  /// Of two trainings of a fold, or a training and its validation, the first goes on undisturbed.
  @Test func oneTrainingOfAFoldAtATime() throws {
    let place = try TrainingPlace()
    let lock = place.fold0(".microtome.lock")
    var late: [ProgramRun] = []
    let killed = try place.train(
      Self.options + ["--epochs", "1000"],
      signal: .kill {
        guard Path.exists(lock) else { return false }
        late = [[], ["-c"], ["--val"]].compactMap { try? place.train(Self.options + $0) }
        return true
      })
    #expect(killed.status == 137, "\(killed.errors)")
    let holder = try #require(String(decoding: Path.read(lock), as: UTF8.self).split(separator: " ").first)
    #expect(late.count == 3)
    for run in late {
      #expect(run.status == 73, "\(run.errors)")
      #expect(run.complaints("fold_0: another process (\(holder)) is at work") == 1, "\(run.errors)")
    }
    // The lock has died with its process.
    let again = try place.train(Self.options + ["-c"])
    #expect(again.status == 0, "\(again.errors)")
    #expect(place.names(place.fold0("")).allSatisfy { !$0.hasPrefix(".") })
  }

  @Test func killedWhileFilesAreWritten() throws {
    let place = try TrainingPlace()
    let whole = try undisturbed(place)
    let unfinished = { (folder: String) in
      // Files are unfinished for a few milliseconds only.
      for _ in 0..<20 {
        if place.names(place.fold0(folder)).contains(where: { $0.hasPrefix(".partial-") }) { return true }
        usleep(150)
      }
      return false
    }
    for attempt in 0..<3 {
      _ = try place.train(Self.options + (attempt == 0 ? [] : ["-c"]), signal: .kill { unfinished("") })
    }
    // Also if the moment was never met: what it would have left.
    let leftovers = [".partial-0123456789ab-1", "validation/.partial-0123456789ab-2"]
    try Path.makeFolder(place.fold0(leftovers[0]))
    _ = try place.train(Self.options + ["-c"], signal: .kill { unfinished("validation") })
    for name in leftovers {
      try Path.makeFolder(place.fold0(name))
      try AtomicFile.write([0x50, 0x4B], to: place.fold0(name + "/half"))
    }
    try finish(place, like: whole)
  }

  @Test(arguments: ["Ctrl-C", "termination"])
  func askedToStop(by kind: String) throws {
    let place = try TrainingPlace()
    let whole = try undisturbed(place)
    let condition = { Path.exists(place.fold0("checkpoint_best.pth")) }
    let stopped = try place.train(
      Self.options + ["--save-every", "50"],
      signal: kind == "Ctrl-C" ? .interrupt(when: condition) : .terminate(when: condition))
    #expect(stopped.status == 130, "\(stopped.errors)")
    #expect(stopped.complaints("stopped by the user", "checkpoint_latest.pth") == 1, "\(stopped.errors)")
    #expect(stopped.errors.contains("--c goes on"))
    #expect(Path.isFile(place.fold0("checkpoint_latest.pth")))
    let validating = { Path.isFolder(place.fold0("validation")) }
    let again = try place.train(
      Self.options + ["-c"], signal: kind == "Ctrl-C" ? .interrupt(when: validating) : .terminate(when: validating))
    // The validation of two small cases may be over before the signal comes.
    #expect(again.status == 0 || again.status == 130 && again.errors.contains("--val repeats"), "\(again.errors)")
    #expect(Path.isFile(place.fold0("checkpoint_final.pth")))
    try finish(place, like: whole)
  }

  /// Whoever forgets --c and notices at once has lost nothing.
  @Test func anEarlierTrainingIsNotLostByMistake() throws {
    let place = try TrainingPlace()
    try #require(try place.train(["--epochs", "1"]).status == 0)
    let before = try Path.read(place.fold0("checkpoint_final.pth"))
    let began = try #require(Path.modificationTime(place.fold0("debug.json")))
    let run = try place.train(
      ["--epochs", "50", "--iterations-per-epoch", "200"],
      signal: .interrupt {
        Path.modificationTime(place.fold0("debug.json")) ?? 0 > began
      })
    #expect(run.status == 130 && run.errors.contains("untouched"), "\(run.errors)")
    #expect(run.complaints("checkpoint_final.pth", "--c would go on") == 1)
    #expect(try Path.read(place.fold0("checkpoint_final.pth")) == before)
  }

  /// nnU-Net does not write checkpoints whole or not at all.
  @Test func aDamagedCheckpointIsPassedOver() throws {
    let place = try TrainingPlace()
    let whole = try undisturbed(place)
    let killed = try place.train(
      Self.options, signal: .kill { Path.exists(place.fold0("checkpoint_latest.pth")) })
    try #require(killed.status == 137)
    let bytes = try Path.read(place.fold0("checkpoint_latest.pth"))
    try AtomicFile.write(Array(bytes.prefix(bytes.count / 2)), to: place.fold0("checkpoint_latest.pth"))
    let run = try place.train(Self.options + ["-c"], signal: .kill { Path.exists(place.fold0("validation")) })
    #expect(run.complaints("warning", "checkpoint_latest.pth") == 1, "\(run.errors)")
    #expect(run.output.contains("continuing with \(place.fold0("checkpoint_best.pth"))"))
    try finish(place, like: whole)
  }

  @Test func killedPreprocessingIsRunAgain() throws {
    let place = try TrainingPlace(cases: 8)
    func content() throws -> [String: [UInt8]] {
      var all: [String: [UInt8]] = [:]
      for name in place.names(place.preprocessed)
      where !name.hasPrefix(".") && Path.isFolder("\(place.preprocessed)/\(name)") {
        for file in place.names("\(place.preprocessed)/\(name)") where !file.hasPrefix(".") {
          all["\(name)/\(file)"] = try Path.read("\(place.preprocessed)/\(name)/\(file)")
        }
      }
      return all
    }
    let whole = try content()
    #expect(whole.count == 8 + 2 * 16)
    func scratch() -> [String] {
      place.names(place.preprocessed).filter { $0.hasPrefix(".partial-") }.map { "\(place.preprocessed)/\($0)" }
    }
    for count in [0, 5, 12] {
      let dead = Set(scratch())
      let killed = try place.preprocess(
        signal: .kill { scratch().contains { !dead.contains($0) && place.names($0).count >= count } })
      #expect(killed.status == 137 || killed.status == 0)
      // What was there is still there, whole; only labels that were being copied may be of either run.
      #expect(try content() == whole)
    }
    for folder in scratch() { Path.removeTree(folder) }
    let stopped = try place.preprocess(signal: .interrupt { !scratch().isEmpty })
    #expect(stopped.status == 130 && stopped.errors.contains("stopped by the user"), "\(stopped.errors)")
    #expect(scratch() == [])
    for name in ["tinyPlans_2d", "tinyPlans_3d_fullres"] { Path.removeTree("\(place.preprocessed)/\(name)") }
    #expect(try place.preprocess().status == 0)
    #expect(try content() == whole)
    #expect(place.names(place.preprocessed).allSatisfy { !$0.hasPrefix(".") })
  }
}
