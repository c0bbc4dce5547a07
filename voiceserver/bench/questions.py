"""Things users say in the benches: plain spoken English; the voice was not trained on them."""

from __future__ import annotations

QUESTIONS = (
    "What is the capital of France?",
    "Can you tell me how to make a cup of tea?",
    "Why is the sky blue during the day?",
    "How many days are there in a week?",
    "What should I wear when it is raining?",
    "Could you give me a tip for falling asleep faster?",
    "Who wrote the play about Romeo and Juliet?",
    "What is the best way to learn a new language?",
    "How do airplanes stay up in the air?",
    "Can you suggest a name for my new puppy?",
    "What do bees make in their hive?",
    "How long does it take to boil an egg?",
    "What is the largest animal in the ocean?",
    "Please tell me a fun fact about the moon.",
    "How can I be more friendly to my neighbors?",
    "What is a good present for my grandmother?",
    "Why do leaves change color in the fall?",
    "What is the difference between a lake and a river?",
    "How often should I brush my teeth?",
    "Can you recommend something healthy for breakfast?",
)

LONG_ANSWERS = (
    "Please tell me a long story about a brave little dragon.",
    "Describe in detail how bread is made, step by step.",
    "Tell me everything you know about the history of the bicycle.",
    "Explain slowly and in many sentences how rain is made.",
    "Tell me a long story about two friends who sail around the world.",
)

INTERRUPTIONS = (
    "Wait, stop. What is two plus two?",
    "Hold on a second, I have another question.",
    "Okay, thank you, that is enough for now.",
    "Sorry, can you tell me something else instead?",
    "No, no, that is not what I wanted to know.",
)
