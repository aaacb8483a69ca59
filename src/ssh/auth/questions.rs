//! Keyboard-interactive: a host asks, and we answer.
//!
//! Must never show a person the words of a host of the fleet (it could ask for the passphrase of a key): only of a jump
//! host, which the user has named, and with the name beside them. Must never answer the same host twice.

use std::sync::atomic::Ordering;

use russh::client::{Handle, KeyboardInteractiveAuthResponse as Response, Prompt};

use super::super::failure::local;
use super::super::guard::{Broken, Guard};
use super::super::patience::Patience;
use super::Credentials;
use super::attempt::Answer;
use super::refusal::Verdict;
use crate::core::text::clean_line;
use crate::ports::Question;

/// How often a host may ask. Two are common: a password, and a code.
const ROUNDS: usize = 6;
/// How much a host may ask at once.
const PROMPTS: usize = 8;

/// Answers what the host asks.
pub(super) async fn answer(
    handle: &mut Handle<Guard>,
    who: &Credentials,
    patience: &Patience,
) -> Result<Answer, Broken> {
    let mut response = handle.authenticate_keyboard_interactive_start(&who.user, None).await?;
    let mut has_given = false;
    for _ in 0..ROUNDS {
        let (instructions, prompts) = match response {
            Response::Success => return Ok(Answer::Told(russh::client::AuthResult::Success)),
            Response::Failure { remaining_methods, partial_success } => {
                return Ok(Answer::Told(russh::client::AuthResult::Failure {
                    remaining_methods,
                    partial_success,
                }));
            }
            Response::InfoRequest { instructions, prompts, .. } => (instructions, prompts),
        };
        let questions = match (&who.jump, &*prompts) {
            (_, []) => vec![],
            (_, many) if many.len() > PROMPTS => return Ok(Answer::Ours(Verdict::AsksTooMuch)),
            (Some(jump), prompts) => {
                who.is_personal.store(true, Ordering::Relaxed);
                prompts.iter().map(|prompt| of_jump(who, jump, &instructions, prompt)).collect()
            }
            (None, [Prompt { echo: false, .. }]) if !has_given => {
                has_given = true;
                vec![Question::Password { user: who.user.clone(), jump: None }]
            }
            (None, _) => return Ok(Answer::Ours(Verdict::AsksPerson)),
        };
        let mut answers = Vec::with_capacity(questions.len());
        for question in questions {
            let answer = patience.without(who.answers.get(question)).await;
            answers.push(answer.map_err(|why| Broken::Ours(local(why.0)))?.expose().clone());
        }
        response = handle.authenticate_keyboard_interactive_respond(answers).await?;
    }
    Ok(Answer::Ours(Verdict::AsksTooMuch))
}

fn of_jump(who: &Credentials, jump: &str, instructions: &str, prompt: &Prompt) -> Question {
    let text = format!("{instructions} {}", prompt.prompt);
    Question::Prompt {
        user: who.user.clone(),
        jump: jump.to_owned(),
        text: clean_line(text.as_bytes(), 300),
        echo: prompt.echo,
    }
}
